package api

import "github.com/labstack/echo/v4"

// Routes lets tests walk the router itself.
func (s *Server) Routes() []*echo.Route { return s.echo.Routes() }
