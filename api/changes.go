package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// edit completes e with the request's conditions and author and carries it out.
func (s *Server) edit(c echo.Context, e lb.Edit) (lb.Applied, error) {
	var err error
	if e.IfMatch, e.IfNoneMatch, err = conditions(c.Request()); err != nil {
		return lb.Applied{}, err
	}
	e.Stamp = s.stamp(c)
	return s.cfg.Changes.Edit(c.Request().Context(), e)
}

// document reads the key and the body of a PUT or POST.
func document(c echo.Context) (key lb.Name, data []byte, err error) {
	if key, err = name(c, "key"); err != nil {
		return "", nil, err
	}
	data, err = body(c)
	return key, data, err
}

func (s *Server) putFrontend(c echo.Context) error {
	key, data, err := document(c)
	if err != nil {
		return err
	}
	f, err := node.ParseFrontend(string(key), data)
	if err != nil {
		return err
	}
	applied, err := s.edit(c, lb.Edit{Frontend: &f})
	if err != nil {
		return err
	}
	c.Response().Header().Set(headerETag, f.ETag())
	return respond(c, http.StatusOK, changed{node.NewFrontend(f), applied})
}

func (s *Server) putBackend(c echo.Context) error {
	key, data, err := document(c)
	if err != nil {
		return err
	}
	b, err := node.ParseBackend(string(key), data)
	if err != nil {
		return err
	}
	applied, err := s.edit(c, lb.Edit{Backend: &b})
	if err != nil {
		return err
	}
	return s.respondChanged(c, b, applied)
}

func (s *Server) respondChanged(c echo.Context, b lb.Backend, applied lb.Applied) error {
	c.Response().Header().Set(headerETag, b.ETag())
	return respond(c, http.StatusOK, changed{node.NewBackend(lb.Populate(b, s.cfg.Views.Snapshot())), applied})
}

func (s *Server) deleteFrontend(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	return s.remove(c, lb.Frontend{Key: key}.ID())
}

func (s *Server) deleteBackend(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	return s.remove(c, lb.Backend{Key: key}.ID())
}

func (s *Server) remove(c echo.Context, id string) error {
	applied, err := s.edit(c, lb.Edit{Delete: id})
	if err != nil {
		return err
	}
	removed := struct {
		ID string `json:"id"`
	}{id}
	return respond(c, http.StatusOK, changed{removed, applied})
}

// switchBackend is the A/B switch, and the split of traffic. It may wait for long, and does not outlive
// the server.
func (s *Server) switchBackend(c echo.Context) error {
	key, data, err := document(c)
	if err != nil {
		return err
	}
	sw, err := node.ParseSwitch(string(key), data)
	if err != nil {
		return err
	}
	var ifNew bool
	if sw.IfMatch, ifNew, err = conditions(c.Request()); err != nil {
		return err
	}
	if ifNew {
		return s.refuseNew(c, key)
	}
	sw.Stamp = s.stamp(c)
	applied, err := s.waitingSwitch(c, sw)
	if err != nil {
		return err
	}
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	b, ok := in.Backends[key]
	if !ok { // removed by somebody else in the meantime
		return &lb.NotFoundError{ID: lb.Backend{Key: key}.ID()}
	}
	return s.respondChanged(c, b, applied)
}

// waitingSwitch ends with the server, too: until the version is there nothing
// has been changed, and from then on the Changer does not let go half-way.
func (s *Server) waitingSwitch(c echo.Context, sw lb.Switch) (lb.Applied, error) {
	ctx, cancel := waiting(c.Request().Context())
	defer cancel()
	return s.cfg.Changes.Switch(ctx, sw)
}

// refuseNew answers a switch of a backend that must not exist: there is either
// nothing to switch, or the condition does not hold.
func (s *Server) refuseNew(c echo.Context, key lb.Name) error {
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	if b, ok := in.Backends[key]; ok {
		return &lb.PreconditionError{ID: b.ID(), Current: b.ETag()}
	}
	return &lb.NotFoundError{ID: lb.Backend{Key: key}.ID()}
}
