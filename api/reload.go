package api

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// reloadHandler reloads HAProxy.
type reloadHandler struct {
	agent  *Agent
	reload func(ctx context.Context, by lb.Origin) (lb.Applied, error) // may be nil
}

// handle answers when the new worker serves, with what runs then.
func (h reloadHandler) handle(c echo.Context) error {
	if h.reload == nil {
		return &lb.UnavailableError{What: "this agent cannot reload HAProxy"}
	}
	applied, err := h.reload(c.Request().Context(), h.agent.Origin(c))
	if err != nil {
		return err
	}
	status, err := h.agent.Status(c.Request().Context())
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, changed{node.Reloaded{HAProxy: node.HAProxyStatus(status.HAProxy)}, applied})
}
