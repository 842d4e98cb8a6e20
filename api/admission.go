package api

import (
	"context"
	"log/slog"
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
	a.once.Do(func() { a.err = s.findOut(r) })
	return a.err
}

// findOut asks about the connection of a request.
func (s *Server) findOut(r *http.Request) error {
	ctx := r.Context()
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	to, known := ctx.Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if err != nil || !known {
		return forbidden(noRights + "it is not a TCP connection")
	}
	// What is found out is of the connection, not of this request.
	if err := s.cfg.Admit(context.WithoutCancel(ctx), from, to.AddrPort()); err != nil {
		level := slog.LevelDebug // anybody who reaches a frontend may cause many
		if now := s.cfg.Now().Unix(); now-s.refused.Swap(now) >= refusalsPause {
			level = slog.LevelWarn
		}
		s.cfg.Logger.Log(ctx, level, "connection without rights", "remote", r.RemoteAddr, "reason", err)
		return forbidden(noRights + err.Error())
	}
	return nil
}

// refusalsPause is for how many seconds no connection may have been refused for the
// next one to be a warning in the log.
const refusalsPause = 60

// noRights begins the message to callers over a connection without rights.
const noRights = "this needs a token file (--token-file), as the connection has no rights without one: "
