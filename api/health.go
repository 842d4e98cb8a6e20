package api

import (
	"context"
	"time"

	"thalassa/lb"
)

// healthPatience is how long an answer waits for newer figures of members.
const healthPatience = 500 * time.Millisecond

// health is what HAProxy says of the servers of a backend, as the sampler has read it;
// empty while HAProxy does not answer.
func (h backendHandlers) health(ctx context.Context, backend lb.Name) []lb.ServerHealth {
	if h.sampler == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	h.sampler.Refresh(ctx)
	return h.sampler.Health(string(backend))
}
