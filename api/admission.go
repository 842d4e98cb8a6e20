package api

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"thalassa/lb"
)

// refusalsPause is for how many seconds no connection may have been refused for the
// next refusal to be logged as a warning.
const refusalsPause = 60

// noRights begins the message to callers over a connection without rights.
const noRights = "this request needs a token file (--token-file), because its connection has no rights without one: "

// An admission says whether a connection may have rights. It is determined once; if that takes too
// long, the next request tries again.
type admission struct {
	mu    sync.Mutex
	known bool
	err   error
}

// of returns the known result, or else that of check.
func (a *admission) of(check func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.known {
		a.err = check()
		a.known = !errors.As(a.err, new(*lb.UnavailableError))
	}
	return a.err
}

// admissionKey is where a connection's context holds its admission.
type admissionKey struct{}

// withAdmission gives a new connection an admission to be filled in later.
func withAdmission(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, admissionKey{}, &admission{})
}

// An admitter decides which connections have rights without tokens.
type admitter struct {
	check   func(ctx context.Context, from, to netip.AddrPort) error // nil: all have
	refused atomic.Int64                                             // Unix time of the last refusal
	now     func() time.Time
	logger  *slog.Logger
}

// admit refuses requests over connections that have no rights without tokens. It checks
// each connection once, when its first request needs a right.
func (a *admitter) admit(r *http.Request) error {
	if a.check == nil {
		return nil
	}
	admitted, ok := r.Context().Value(admissionKey{}).(*admission)
	if !ok {
		admitted = &admission{} // another http.Server: each request is checked
	}
	return admitted.of(func() error { return a.checkConnection(r) })
}

// checkConnection checks the connection of a request.
func (a *admitter) checkConnection(r *http.Request) error {
	ctx := r.Context()
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	to, known := ctx.Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if err != nil || !known {
		return forbidden(noRights + "it is not a TCP connection")
	}
	// The answer is about the connection, which may outlive this request.
	err = a.check(context.WithoutCancel(ctx), from, to.AddrPort())
	if errors.Is(err, context.DeadlineExceeded) {
		return &lb.UnavailableError{What: "whether this connection has rights was not found out in time"}
	}
	if err != nil {
		level := slog.LevelDebug // anybody who reaches a frontend may cause many
		if now := a.now().Unix(); now-a.refused.Swap(now) >= refusalsPause {
			level = slog.LevelWarn
		}
		a.logger.Log(ctx, level, "connection without rights", "remote", r.RemoteAddr, "reason", err)
		return forbidden(noRights + err.Error())
	}
	return nil
}
