package api

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/ui"
)

// observe logs every request at debug level, and adds it to the audit log, after its answer.
func (s *Server) observe(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		begin := time.Now()
		if err := next(c); err != nil {
			s.fail(err, c)
		}
		s.noteAnswer(c, begin)
		return nil
	}
}

// noteAnswer is what observe does after an answer.
func (s *Server) noteAnswer(c echo.Context, begin time.Time) {
	s.audit(c)
	countRouted(c, time.Since(begin))
	r := c.Request()
	s.cfg.Logger.DebugContext(r.Context(), "request answered", "method", r.Method, "path", r.URL.Path,
		"status", c.Response().Status, "duration", time.Since(begin), "remote", r.RemoteAddr, "author", Author(c))
}

// rescue logs a panic of a handler with its stack and turns it into an error. It passes on
// http.ErrAbortHandler.
func (s *Server) rescue(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch p := recover(); p {
			case nil:
			case http.ErrAbortHandler:
				panic(p) // closes the connection
			default:
				err = s.failures.incident(fmt.Errorf("panic: %v\n%s", p, debug.Stack()), c)
			}
		}()
		return next(c)
	}
}

// harden sets the headers that forbid browsers to run or embed an answer, and caches to store it. It
// ends the connection after a request in chunks: the library does not tell whether there was a length
// as well, by which a proxy could see other requests in the same bytes (RFC 9112, 6.3).
func harden(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		h := c.Response().Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if r := c.Request(); r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
			h.Set("Connection", "close")
		}
		return next(c)
	}
}

// checkHost refuses host names that the guard does not allow.
func (s *Server) checkHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.guard.checkHost(c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}

// checkOrigin refuses changes that a browser sends for a page of another site.
func (s *Server) checkOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.guard.checkOrigin(c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}

// pages answers browsers with the web UI. Where a page and a route of the API
// share a path, the Accept header decides. Pages and assets contain no data
// and need no token.
func (s *Server) pages(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		if ui.IsPage(r.URL.Path) {
			c.Response().Header().Add(echo.HeaderVary, echo.HeaderAccept)
		}
		if ui.Serves(r) {
			s.site.ServeHTTP(c.Response(), r)
			return nil
		}
		return next(c)
	}
}

// fail answers with err in the form of the request's dialect; it is echo's error handler.
func (s *Server) fail(err error, c echo.Context) {
	if c.Response().Committed {
		return
	}
	f := s.failures.of(err, c)
	c.Set(refusalKey, f.Code)
	if f.Status == http.StatusNotFound && errors.Is(err, echo.ErrNotFound) && s.dialect(c) == s.dialects[len(s.dialects)-1] && ui.WantsPage(c.Request()) {
		s.site.NotFound(c.Response(), c.Request())
		return
	}
	if sight, limited := sightOf(c.Request().Context()); limited {
		f = sight.failure(f)
	}
	maps.Copy(c.Response().Header(), f.Header)
	if err := s.dialect(c).Render(c, f); err != nil {
		s.cfg.Logger.DebugContext(c.Request().Context(), "answer not written", "error", err)
	}
}
