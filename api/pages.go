package api

import (
	"github.com/labstack/echo/v4"

	"thalassa/ui"
)

// pages answers browsers with the web UI. Where a page and a route of the API
// share a path, what the caller prefers decides. Pages and assets hold no data
// and take no token.
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
