package api

import (
	"context"
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// openAPI describes every route, error and shape; kept in step by tests.
//
//go:embed openapi.json
var openAPI string

// index shows a newcomer what there is.
func (s *Server) index(c echo.Context) error {
	type entry struct {
		Method  string `json:"method"`
		Path    string `json:"path"`
		Role    string `json:"role"` // a token needs; "none": no token
		Summary string `json:"summary"`
	}
	out := struct {
		Name    string  `json:"name"`
		Version string  `json:"version"`
		Routes  []entry `json:"routes"`
	}{Name: "Thalassa", Version: s.cfg.Version}
	for _, r := range s.routes() {
		out.Routes = append(out.Routes, entry{r.method, r.path, r.need.String(), r.summary})
	}
	return respond(c, http.StatusOK, out)
}

func (s *Server) openAPI(c echo.Context) error {
	return write(c, http.StatusOK, echo.MIMEApplicationJSON, []byte(openAPI))
}

func (s *Server) version(c echo.Context) error {
	return respond(c, http.StatusOK, struct {
		Version string `json:"version"`
	}{s.cfg.Version})
}

func (s *Server) healthz(c echo.Context) error {
	return respond(c, http.StatusOK, struct {
		Healthy bool `json:"healthy"`
	}{true})
}

// currentStatus is the status as of a moment ago at the most.
func (s *Server) currentStatus(ctx context.Context) (lb.Status, error) {
	st, err := s.coalescer.status(ctx)
	if err != nil {
		return lb.Status{}, err
	}
	return st, nil
}

func (s *Server) status(c echo.Context) error {
	st, err := s.currentStatus(c.Request().Context())
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewStatus(st))
}

func (s *Server) readyz(c echo.Context) error {
	var ready bool
	var reasons, stale []string
	var lost string
	if st, err := s.currentStatus(c.Request().Context()); err == nil {
		ready, reasons = st.Ready()
		stale, lost = st.Stale(), st.HAProxy.Lost
	} else {
		reasons = []string{s.failure(err, c).Message}
	}
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
		c.Response().Header().Set(echo.HeaderRetryAfter, retryAfter)
	}
	return respond(c, status, struct {
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons"`
		Stale   []string `json:"stale,omitempty"`
		Lost    string   `json:"lost,omitempty"`
	}{ready, orEmpty(reasons), stale, lost})
}

func (s *Server) listServices(c echo.Context) error {
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewServiceStatuses(lb.ServiceStatuses(in, s.cfg.Views.Snapshot())))
}

// service is one of the watched services, with the instances that Consul told
// of.
func (s *Server) service(c echo.Context) error {
	key, err := name(c, "name")
	if err != nil {
		return err
	}
	return s.respondService(c, key)
}

func (s *Server) respondService(c echo.Context, key lb.Name) error {
	in, err := s.cfg.Views.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	snap := s.cfg.Views.Snapshot()
	for _, known := range lb.ServiceStatuses(in, snap) {
		if known.Service == key {
			return respond(c, http.StatusOK, node.NewService(known, snap.Services[key].Instances))
		}
	}
	return &lb.NotFoundError{ID: "service/" + string(key)}
}

// accept takes Consul's word for a service that holds instances.
func (s *Server) accept(c echo.Context) error {
	key, err := name(c, "name")
	if err != nil {
		return err
	}
	if err := s.cfg.Changes.Accept(c.Request().Context(), key, s.stamp(c)); err != nil {
		return err
	}
	return s.respondService(c, key)
}

func (s *Server) haproxyConfig(c echo.Context) error {
	config, err := s.cfg.HAProxyConfig(c.Request().Context())
	if err != nil {
		return err
	}
	return write(c, http.StatusOK, echo.MIMETextPlainCharsetUTF8, config)
}
