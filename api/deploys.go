package api

import (
	"context"

	"github.com/labstack/echo/v4"

	"thalassa/api/node"
	"thalassa/lb"
)

// deploy switches a backend to another version or service, or splits its traffic. It may
// wait for a healthy instance, but not beyond the end of the server.
func (h backendHandlers) deploy(c echo.Context) error {
	key, data, err := document(c)
	if err != nil {
		return err
	}
	sw, err := node.ParseSwitch(string(key), data)
	if err != nil {
		return err
	}
	var ifNew bool
	if sw.IfMatch, ifNew, err = conditionsOf(c, h.agent, lb.Backend{Key: sw.Backend}.ID()); err != nil {
		return err
	}
	if ifNew {
		return h.refuseNew(c)
	}
	sw.Origin = h.agent.Origin(c)
	applied, err := untilEnd(c, func(ctx context.Context) (lb.Applied, error) { return h.agent.Switch(ctx, sw) })
	if err != nil {
		return err
	}
	return respondChanged(c, *applied.Backend, applied, h.document(c))
}

// refuseNew answers a deploy under the condition that the backend does not exist:
// either there is nothing to deploy, or the condition does not hold.
func (h backendHandlers) refuseNew(c echo.Context) error {
	b, _, err := findInPath[lb.Backend](c, h.agent, lb.KindBackend)
	if err != nil {
		return err
	}
	return &lb.PreconditionError{ID: b.ID(), Current: b.ETag()}
}
