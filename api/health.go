package api

import (
	"context"
	"slices"
	"time"

	"thalassa/lb"
	"thalassa/stats"
)

// healthPatience is how long an answer waits for newer figures of members.
const healthPatience = 500 * time.Millisecond

// A serverHealth has the health of servers in HAProxy, as a sampler has read it.
type serverHealth struct {
	sampler    *stats.Sampler                 // nil: nothing is known
	unresolved func(backend lb.Name) []string // nil: every name resolves
}

// read returns the health of the servers of a backend; nothing while HAProxy does not answer. The
// figures are current, or older if HAProxy is busy.
func (h serverHealth) read(ctx context.Context) func(backend lb.Name) []lb.ServerHealth {
	if h.sampler == nil {
		return func(lb.Name) []lb.ServerHealth { return nil }
	}
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	h.sampler.Refresh(ctx)
	return func(backend lb.Name) []lb.ServerHealth {
		return h.withNames(backend, h.sampler.Health(string(backend)))
	}
}

// withNames sets the status of servers whose host names do not resolve; the sampler only knows that
// they are in maintenance.
func (h serverHealth) withNames(backend lb.Name, servers []lb.ServerHealth) []lb.ServerHealth {
	if h.unresolved == nil {
		return servers
	}
	names := h.unresolved(backend)
	for i, s := range servers {
		if s.IsMaintenance() && slices.Contains(names, s.Address.String()) {
			servers[i].Status = lb.StatusUnresolved
		}
	}
	return servers
}
