package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// serviceHandlers show the watched Consul services and end their holds.
type serviceHandlers struct {
	agent  *Agent
	names  func(ctx context.Context) ([]lb.Name, error) // may be nil
	health serverHealth
}

// catalog lists the names of all services in Consul, watched or not.
func (h serviceHandlers) catalog(c echo.Context) error {
	if h.names == nil {
		return &lb.UnavailableError{What: "Consul's list of services is not available"}
	}
	names, err := h.names(c.Request().Context())
	if err != nil {
		return err
	}
	if s, limited := sightOf(c.Request().Context()); limited {
		in, err := h.agent.Intent(c.Request().Context())
		if err != nil {
			return err
		}
		sees := s.services(in)
		names = slices.DeleteFunc(slices.Clone(names), func(n lb.Name) bool { return !sees(n) })
	}
	return respond(c, http.StatusOK, node.NewCatalog(names))
}

func (h serviceHandlers) list(c echo.Context) error {
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewServiceStatuses(lb.ServiceStatuses(in, h.agent.Snapshot(c.Request().Context()))))
}

// show answers with a watched service, its instances, and their health in HAProxy.
func (h serviceHandlers) show(c echo.Context) error {
	key, err := name(c, "name")
	if err != nil {
		return err
	}
	return h.respond(c, key)
}

// accept confirms that the instances which a service holds are gone.
func (h serviceHandlers) accept(c echo.Context) error {
	key, err := name(c, "name")
	if err != nil {
		return err
	}
	if err := h.agent.Accept(c.Request().Context(), key, h.agent.Origin(c)); err != nil {
		return err
	}
	return h.respond(c, key)
}

func (h serviceHandlers) respond(c echo.Context, key lb.Name) error {
	in, err := h.agent.Intent(c.Request().Context())
	if err != nil {
		return err
	}
	snap := h.agent.Snapshot(c.Request().Context())
	for _, status := range lb.ServiceStatuses(in, snap) {
		if status.Service == key {
			servers := lb.ServersOf(key, in, snap, h.health.read(c.Request().Context()))
			return respond(c, http.StatusOK, node.NewService(status, snap.Services[key], servers))
		}
	}
	return &lb.NotFoundError{ID: "service/" + string(key)}
}
