package api

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

// Where a guarded request's echo.Context holds the author's name, and the caller.
const (
	authorKey = "author"
	callerKey = "caller"
)

// observe logs every request at debug level, after its answer.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begin := time.Now()
		if err := next(c); err != nil {
			s.fail(err, c)
		}
		r := c.Request()
		s.cfg.Logger.DebugContext(r.Context(), "request answered", "method", r.Method, "path", r.URL.Path,
			"status", c.Response().Status, "duration", time.Since(begin), "remote", r.RemoteAddr, "author", c.Get(authorKey))
		return nil
	}
}

// rescue logs a panic of a handler with its stack and makes it an error.
func (s *Server) rescue(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = s.internalFailure(c, fmt.Errorf("panic: %v\n%s", p, debug.Stack()))
			}
		}()
		return next(c)
	}
}

// harden sets the headers that keep browsers from making anything but data of
// an answer, and caches from keeping it.
func harden(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		return next(c)
	}
}

// checkHost refuses names that are not this machine's; see Config.Loopback.
func (s *Server) checkHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		host := hostOnly(c.Request().Host)
		if _, err := netip.ParseAddr(host); err != nil && s.hosts != nil && !slices.Contains(s.hosts, host) {
			return forbidden("the Host header names " + shown(host) + ", which is not a name of this machine; use localhost, its address or a configured host name")
		}
		return next(c)
	}
}

// hostOnly is a Host header without port, brackets and closing dot, in lower
// case.
func hostOnly(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// checkOrigin refuses changes that a page of another site makes a browser send.
func (s *Server) checkOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.origins.Check(c.Request()); err != nil {
			return forbidden("a browser sent this request for a page of another site, and only pages of this one may change anything")
		}
		return next(c)
	}
}

func forbidden(message string) *failure {
	return &failure{status: http.StatusForbidden, Code: "forbidden", Message: message}
}

// guarded is a route's handler behind the check of the caller's role.
func (s *Server) guarded(r route) echo.HandlerFunc {
	return func(c echo.Context) error {
		if r.need == 0 {
			return r.handle(c)
		}
		who, err := s.identify(c.Request())
		if err != nil {
			return err
		}
		c.Set(authorKey, who.Name)
		c.Set(callerKey, who)
		if !who.Allows(r.need) {
			return forbidden(fmt.Sprintf("token %s has the role %s, and %s %s takes the role %s", who.Name, who.Role, r.method, r.path, r.need))
		}
		return r.handle(c)
	}
}

func unauthorized(hint, message string) *failure {
	return &failure{
		status: http.StatusUnauthorized, Code: "unauthorized", Message: message,
		header: http.Header{echo.HeaderWWWAuthenticate: {`Bearer realm="thalassa"` + hint}},
	}
}

// remoteIP is the address of the connection; headers that claim another one are
// not believed.
func remoteIP(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	return remote.Addr().Unmap().WithZone("").String()
}
