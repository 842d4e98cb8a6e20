package api

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/auth"
	"thalassa/internal/permit"
	"thalassa/lb"
)

// callerKey is where the echo.Context of a guarded request holds its caller.
const callerKey = "caller"

// A caller is who sent a request, and how to check that again.
type caller struct {
	auth.Identity
	how auth.ProofKind // kind of the caller's credential; empty: none
	// session is the id of the session that identified the caller; empty: none.
	session string
	// check identifies the caller again; nil: the caller cannot change.
	check func() (auth.Identity, bool)
	// ask is check after a look at the token file, with the error to answer with; nil
	// with check.
	ask func() (auth.Identity, error)
}

// Author is the name of the caller of a guarded request; empty on open routes.
func Author(c echo.Context) string {
	who, _ := c.Get(callerKey).(caller)
	return who.Name
}

// A guard decides which requests are handled, and on whose behalf: it checks the Host
// header, the origin, the token or session, the connection and the role.
type guard struct {
	authority *auth.Authority // nil: no authentication
	sessions  *auth.Sessions
	shared    *auth.SharedSessions // nil: sessions are valid only on this node
	limiter   authLimiter
	admitter  admitter
	hosts     []string // allowed in a Host header beside addresses; nil: any
	origins   http.CrossOriginProtection
	intent    func(context.Context) (lb.Intent, error)
	now       func() time.Time
	logger    *slog.Logger
}

// newGuard makes the guard that cfg asks for.
func newGuard(cfg Config) *guard {
	g := &guard{
		authority: cfg.Authority, sessions: auth.NewSessions(cfg.Authority, cfg.Now), now: cfg.Now, logger: cfg.Logger,
		intent: cfg.Views.Intent, admitter: admitter{check: cfg.Admit, now: cfg.Now, logger: cfg.Logger},
	}
	if cfg.SessionFile != "" && cfg.Authority != nil {
		g.sessions.Keep(cfg.SessionFile, cfg.Logger)
	}
	if cfg.Share != nil && cfg.Authority != nil {
		g.shared = g.sessions.Share(*cfg.Share)
	}
	if cfg.Loopback && cfg.Authority == nil {
		g.hosts = []string{"", "localhost"} // HTTP/1.0 knows no Host; browsers always send one
		for _, host := range cfg.AllowedHosts {
			g.hosts = append(g.hosts, hostOnly(host))
		}
	}
	return g
}

// checkHost refuses host names that are not this machine's; see Config.Loopback.
func (g *guard) checkHost(r *http.Request) error {
	host := hostOnly(r.Host)
	if _, err := netip.ParseAddr(host); err != nil && g.hosts != nil && !slices.Contains(g.hosts, host) {
		return forbidden("the Host header names " + shown(host) + ", which is not a name of this machine; use localhost, its address or a configured host name")
	}
	return nil
}

// checkOrigin refuses changes that a browser sends for a page of another site.
func (g *guard) checkOrigin(r *http.Request) error {
	if err := g.origins.Check(r); err != nil || !isSafe(r.Method) && isPlainPage(r) {
		return forbidden("a page of another site sent this request, and only pages of this site may change anything")
	}
	return nil
}

// isPlainPage reports whether a page over plain HTTP has sent a request over TLS: anybody on its
// way may have written that page.
func isPlainPage(r *http.Request) bool {
	return r.TLS != nil && strings.HasPrefix(strings.ToLower(r.Header.Get(echo.HeaderOrigin)), "http:")
}

// protect wraps a route's handler with the check of the caller's rights.
func (g *guard) protect(r Route) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r.Need == 0 {
			return r.Handle(c)
		}
		who, err := g.identify(c.Request())
		if err != nil {
			return err
		}
		c.Set(callerKey, who)
		q := claim{route: r}
		var badName error // which the handler answers with
		if q.object, badName = r.object(c); badName != nil && who.IsLimited() {
			return badName
		}
		if strings.Contains(q.object, "/") && badName == nil {
			c.Set(objectKey, q.object)
		}
		ctx := withLimits(c.Request().Context(), who.Grant, r.Need)
		if err := g.check(ctx, who.Identity, q); err != nil {
			return err
		}
		if l, limited := limitsOf(ctx); limited {
			ctx = permit.WithJudge(ctx, l.judge)
		}
		if who.ask != nil {
			ctx = g.askingAgain(ctx, who, q)
		}
		if ctx != c.Request().Context() {
			c.SetRequest(c.Request().WithContext(ctx))
		}
		return r.Handle(c)
	}
}

// askingAgain is a context with which handlers check, after each wait, whether the caller still has
// the right to the request and may see the same objects.
func (g *guard) askingAgain(ctx context.Context, who caller, q claim) context.Context {
	return permit.With(ctx, func() error {
		now, err := who.ask()
		if err != nil {
			return err
		}
		if !now.Same(who.Grant) && (now.IsLimited() || who.IsLimited()) {
			return errChanged()
		}
		return g.check(ctx, now, q)
	})
}

// hostOnly is a Host header without port, brackets and trailing dot, in lower
// case.
func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// remoteIP is the address of the connection. Headers that claim another address are
// ignored.
func remoteIP(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return remote.Addr().Unmap().WithZone("").String()
}

func forbidden(message string) *ResponseError {
	return &ResponseError{Status: http.StatusForbidden, Code: "forbidden", Message: message}
}
