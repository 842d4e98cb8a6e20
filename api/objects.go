package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/lb"
)

func (s *Server) listFrontends(c echo.Context) error {
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	return respondTagged(c, orEmpty(in.SortedFrontends()))
}

func (s *Server) frontend(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	f, ok := in.Frontends[key]
	if !ok {
		return &lb.NotFoundError{ID: lb.Frontend{Key: key}.ID()}
	}
	if unchanged(c, lb.ETag(f)) {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, f)
}

func (s *Server) listBackends(c echo.Context) error {
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	snap := s.cfg.Views.Snapshot()
	pools := []lb.Pool{}
	for _, b := range in.SortedBackends() {
		pools = append(pools, lb.Populate(b, snap))
	}
	return respondTagged(c, pools)
}

// pool is the backend that the path names, with its members.
func (s *Server) pool(c echo.Context) (lb.Pool, error) {
	key, err := name(c, "key")
	if err != nil {
		return lb.Pool{}, err
	}
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return lb.Pool{}, err
	}
	b, ok := in.Backends[key]
	if !ok {
		return lb.Pool{}, &lb.NotFoundError{ID: lb.Backend{Key: key}.ID()}
	}
	return lb.Populate(b, s.cfg.Views.Snapshot()), nil
}

// backend answers 304 for static backends only: the members of a dynamic one
// change while its entity tag, which is that of the definition, stays.
func (s *Server) backend(c echo.Context) error {
	p, err := s.pool(c)
	if err != nil {
		return err
	}
	if unchanged(c, lb.ETag(p.Backend)) && p.Type == "static" {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, p)
}

func (s *Server) members(c echo.Context) error {
	p, err := s.pool(c)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, orEmpty(p.Members))
}
