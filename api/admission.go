package api

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// An admission is what was found out about a connection, once.
type admission struct {
	once sync.Once
	err  error
}

// admissionKey is where a connection's context holds its admission.
type admissionKey struct{}

// withAdmission gives a new connection a place for what will be found out about it.
func withAdmission(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, admissionKey{}, &admission{})
}

// admit refuses requests over connections that have no rights without tokens. It asks
// about each connection once, when its first request needs a right.
func (s *Server) admit(r *http.Request) error {
	if s.cfg.Admit == nil {
		return nil
	}
	a, ok := r.Context().Value(admissionKey{}).(*admission)
	if !ok {
		a = &admission{} // a server of somebody else's: each request is asked about
	}
	a.once.Do(func() {
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		to, known := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
		if err != nil || !known {
			a.err = forbidden(noRights + "it is not a TCP connection")
			return
		}
		if err := s.cfg.Admit(context.WithoutCancel(r.Context()), from, to.AddrPort()); err != nil {
			s.cfg.Logger.WarnContext(r.Context(), "connection without rights", "remote", r.RemoteAddr, "reason", err)
			a.err = forbidden(noRights + err.Error())
		}
	})
	return a.err
}

// noRights begins the message to callers over a connection without rights.
const noRights = "this needs a token file (--token-file), as the connection has no rights without one: "
