package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

func (s *Server) listFrontends(c echo.Context) error {
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	out := []node.Frontend{}
	for _, f := range in.SortedFrontends() {
		out = append(out, node.NewFrontend(f))
	}
	return respondTagged(c, out)
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
	if unchanged(c, f.ETag()) {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, node.NewFrontend(f))
}

func (s *Server) listBackends(c echo.Context) error {
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	snap := s.cfg.Views.Snapshot()
	out := []node.Backend{}
	for _, b := range in.SortedBackends() {
		out = append(out, node.NewBackend(lb.Populate(b, snap)))
	}
	return respondTagged(c, out)
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
	if unchanged(c, p.ETag()) && p.Type == "static" {
		return c.NoContent(http.StatusNotModified)
	}
	return respond(c, http.StatusOK, node.NewBackend(p))
}

// leaving lists the former members of a backend that still have connections.
func (s *Server) leaving(c echo.Context, p lb.Pool) error {
	if s.cfg.Connections == nil {
		return &lb.UnavailableError{What: "there is nobody here who knows of connections"}
	}
	connections, err := s.cfg.Connections(c.Request().Context(), p.Key)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewDrainingMembers(p.Leaving(connections, s.cfg.Views.Snapshot())))
}

// members lists the members of a backend, with stats=1 beside each what HAProxy
// counts for it, and with leaving=1 the former ones that are not done yet instead.
func (s *Server) members(c echo.Context) error {
	q := parameters(c.Request(), "stats", "leaving")
	wanted, leaving := q.flag("stats"), q.flag("leaving")
	if wanted && leaving {
		q.add("leaving", "stands beside stats", "either stats or leaving")
	}
	if err := q.err(); err != nil {
		return err
	}
	p, err := s.pool(c)
	if err != nil {
		return err
	}
	switch {
	case leaving:
		return s.leaving(c, p)
	case !wanted:
		return respond(c, http.StatusOK, node.NewMembers(p.Members))
	}
	if s.cfg.Stats == nil {
		return &lb.UnavailableError{What: "there is nobody here who counts"}
	}
	lines, err := s.cfg.Stats(c.Request().Context(), p.Key)
	if err != nil {
		return err
	}
	out := node.NewMembers(p.Members)
	for i, m := range p.Members {
		if line, ok := m.Stats(lines); ok {
			figures := node.NewServerStats(line)
			out[i].Stats = &figures
		}
	}
	return respond(c, http.StatusOK, out)
}
