package api

import (
	"fmt"
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
)

// callerKey is where the echo.Context of a guarded request holds its caller.
const callerKey = "caller"

// A caller is who sent a request, and how to check that again.
type caller struct {
	auth.Identity
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
	tokens   *auth.Tokens // nil: no tokens are needed
	sessions *auth.Sessions
	limiter  authLimiter
	admitter admitter
	hosts    []string // allowed in a Host header beside addresses; nil: any
	origins  http.CrossOriginProtection
	now      func() time.Time
	logger   *slog.Logger
}

// newGuard makes the guard that cfg asks for.
func newGuard(cfg Config) *guard {
	g := &guard{
		tokens: cfg.Tokens, sessions: auth.NewSessions(cfg.Tokens, cfg.Now), now: cfg.Now, logger: cfg.Logger,
		admitter: admitter{check: cfg.Admit, now: cfg.Now, logger: cfg.Logger},
	}
	if cfg.SessionFile != "" && cfg.Tokens != nil {
		g.sessions.Keep(cfg.SessionFile, cfg.Logger)
	}
	if cfg.Loopback && cfg.Tokens == nil {
		g.hosts = []string{"", "localhost"} // HTTP/1.0 knows no Host; browsers always send one
		for _, host := range cfg.AllowedHosts {
			g.hosts = append(g.hosts, hostOnly(host))
		}
	}
	return g
}

// checkHost refuses names that are not this machine's; see Config.Loopback.
func (g *guard) checkHost(r *http.Request) error {
	host := hostOnly(r.Host)
	if _, err := netip.ParseAddr(host); err != nil && g.hosts != nil && !slices.Contains(g.hosts, host) {
		return forbidden("the Host header names " + shown(host) + ", which is not a name of this machine; use localhost, its address or a configured host name")
	}
	return nil
}

// checkOrigin refuses changes that a page of another site makes a browser send.
func (g *guard) checkOrigin(r *http.Request) error {
	if err := g.origins.Check(r); err != nil {
		return forbidden("a page of another site sent this request, and only pages of this site may change anything")
	}
	return nil
}

// protect is a route's handler behind the check of the caller's role.
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
		if err := allow(who.Identity, r); err != nil {
			return err
		}
		if who.ask != nil {
			c.SetRequest(askingAgain(c.Request(), who.ask, r))
		}
		return r.Handle(c)
	}
}

// askingAgain is a request whose context tells after each wait whether the caller still
// has the right to it.
func askingAgain(request *http.Request, ask func() (auth.Identity, error), r Route) *http.Request {
	return request.WithContext(permit.With(request.Context(), func() error {
		now, err := ask()
		if err != nil {
			return err
		}
		return allow(now, r)
	}))
}

// allow checks that the caller's role is enough for a route.
func allow(who auth.Identity, r Route) error {
	if who.Allows(r.Need) {
		return nil
	}
	return forbidden(fmt.Sprintf("token %s has the role %s, but %s %s needs the role %s", who.Name, who.Role, r.Method, r.Path, r.Need))
}

// identify finds the caller by a token, else by a session. Without a token file the
// caller is anonymous and has every right, provided that the connection is admitted.
func (g *guard) identify(r *http.Request) (caller, error) {
	if g.tokens == nil {
		if err := g.admitter.admit(r); err != nil {
			return caller{}, err
		}
		return caller{Identity: auth.Identity{Name: "anonymous@" + remoteIP(r), Role: auth.Admin}}, nil
	}
	header := r.Header.Values(echo.HeaderAuthorization)
	if len(header) == 0 {
		return g.identifySession(r)
	}
	scheme, token, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return caller{}, unauthorized(`, error="invalid_request"`, "the Authorization header is not of the form Bearer TOKEN")
	}
	who, hash, err := g.verify(r, token)
	if err != nil {
		return caller{}, err
	}
	return caller{
		Identity: who,
		check:    func() (auth.Identity, bool) { return g.tokens.Identify(hash) },
		ask: func() (auth.Identity, error) {
			if now, ok := g.tokens.IdentifyNow(hash); ok {
				return now, nil
			}
			return auth.Identity{}, unknownToken()
		},
	}, nil
}

// identifySession finds the caller by the session cookie.
func (g *guard) identifySession(r *http.Request) (caller, error) {
	cookie, err := sessionOf(r)
	if err != nil {
		return caller{}, unauthorized("", "this request needs a token: Authorization: Bearer TOKEN")
	}
	find := func() (auth.Identity, bool) {
		session, ok := g.sessions.Find(cookie.Value)
		return session.Identity, ok
	}
	who, ok := find()
	if !ok {
		return caller{}, sessionEnded()
	}
	ask := func() (auth.Identity, error) {
		if session, ok := g.sessions.FindNow(cookie.Value); ok {
			return session.Identity, nil
		}
		return auth.Identity{}, sessionEnded()
	}
	return caller{Identity: who, session: cookie.Value, check: find, ask: ask}, nil
}

// verify finds the owner of a token. A source of many wrong tokens has to wait; the
// first wrong one is logged.
func (g *guard) verify(r *http.Request, token string) (auth.Identity, auth.TokenHash, error) {
	who, hash, right := g.tokens.Verify(strings.TrimSpace(token))
	wait, first := g.limiter.admit(source(r), hash, right, g.now())
	switch {
	case wait > 0:
		return auth.Identity{}, hash, &ResponseError{
			Status: http.StatusTooManyRequests, Code: "too_many", Message: "too many wrong tokens came from this address; try again later",
			Header: http.Header{echo.HeaderRetryAfter: {seconds(wait)}},
		}
	case right:
		return who, hash, nil
	case first:
		g.logger.WarnContext(r.Context(), "wrong token", "remote", r.RemoteAddr, "method", r.Method, "path", r.URL.Path)
	}
	return auth.Identity{}, hash, unknownToken()
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

func unauthorized(hint, message string) *ResponseError {
	return &ResponseError{
		Status: http.StatusUnauthorized, Code: "unauthorized", Message: message,
		Header: http.Header{echo.HeaderWWWAuthenticate: {`Bearer realm="thalassa"` + hint}},
	}
}

func sessionEnded() *ResponseError {
	return unauthorized(`, error="invalid_token"`, "the session has ended")
}

func unknownToken() *ResponseError {
	return unauthorized(`, error="invalid_token"`, "the token is not known")
}
