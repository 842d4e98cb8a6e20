package api

import (
	"fmt"
	"runtime/debug"
	"time"

	"github.com/labstack/echo/v4"
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
			"status", c.Response().Status, "duration", time.Since(begin), "remote", r.RemoteAddr, "author", author(c))
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

// harden sets the headers that forbid browsers to run or embed an answer, and
// caches to store it.
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

// checkHost refuses host names that the guard does not know.
func (s *Server) checkHost(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.guard.checkHost(c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}

// checkOrigin refuses changes that a page of another site makes a browser send.
func (s *Server) checkOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.guard.checkOrigin(c.Request()); err != nil {
			return err
		}
		return next(c)
	}
}
