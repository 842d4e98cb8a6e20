package api

import (
	"context"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// Canaries carries out deploys in steps, as *canary.Runner does.
type Canaries interface {
	// Start returns when the first step is in effect; the end of ctx ends the waiting.
	Start(ctx context.Context, c lb.Canary) (lb.CanaryState, error)
	// Act returns when the action has had its effect.
	Act(ctx context.Context, backend lb.Name, a lb.CanaryAction, by lb.Origin) (lb.CanaryState, error)
	CanaryView
}

// CanaryView shows the last canary of each backend.
type CanaryView interface {
	Canary(backend lb.Name) (lb.CanaryState, error)
	Canaries() []lb.CanaryState
	// Changed returns a channel that is closed when one changes.
	Changed() <-chan struct{}
}

// canaryHandlers start, show and control canaries.
type canaryHandlers struct {
	agent    *Agent
	canaries Canaries // nil: there are none
}

func (h canaryHandlers) check() error {
	if h.canaries == nil {
		return &lb.UnavailableError{What: "canaries are not available"}
	}
	return nil
}

// start begins a canary. It may wait for a healthy instance, but not beyond the end of
// the server.
func (h canaryHandlers) start(c echo.Context) error {
	key, data, err := document(c)
	if err != nil {
		return err
	}
	asked, err := node.ParseCanary(string(key), data)
	if err != nil {
		return err
	}
	var ifNew bool
	if asked.IfMatch, ifNew, err = conditionsOf(c, h.agent, lb.Backend{Key: asked.Backend}.ID()); err != nil {
		return err
	}
	if ifNew {
		return backendHandlers{agent: h.agent}.refuseNew(c)
	}
	if err := h.check(); err != nil {
		return err
	}
	asked.Origin = h.agent.Origin(c)
	ctx, cancel := waiting(c.Request().Context())
	defer cancel()
	state, err := h.canaries.Start(ctx, asked)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewCanary(state))
}

// show answers with the last canary of a backend.
func (h canaryHandlers) show(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	if err := h.check(); err != nil {
		return err
	}
	state, err := h.canaries.Canary(key)
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewCanary(state))
}

// act carries out an action on a canary.
func (h canaryHandlers) act(c echo.Context) error {
	key, err := name(c, "key")
	if err != nil {
		return err
	}
	action, err := lb.ParseCanaryAction(c.Param("action"))
	if err != nil {
		return err
	}
	if err := h.check(); err != nil {
		return err
	}
	ctx, cancel := waiting(c.Request().Context())
	defer cancel()
	state, err := h.canaries.Act(ctx, key, action, h.agent.Origin(c))
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, node.NewCanary(state))
}

// underWay are the canaries that have not ended and that the caller sees.
func (h canaryHandlers) underWay(ctx context.Context) []node.Canary {
	if h.canaries == nil {
		return nil
	}
	list := h.canaries.Canaries()
	if s, limited := sightOf(ctx); limited {
		list = slices.DeleteFunc(slices.Clone(list), func(c lb.CanaryState) bool { return !s.seesBackend(c.Backend) })
	}
	return node.NewCanaries(list)
}
