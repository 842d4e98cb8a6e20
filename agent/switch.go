package agent

import (
	"context"
	"time"

	"thalassa/lb"
)

// switchVersion points a backend at other versions and returns when that is in effect.
func (c *changes) switchVersion(ctx context.Context, s lb.Switch) (lb.Applied, error) {
	in, err := c.inputs.intent(ctx)
	if err != nil {
		return lb.Applied{}, err
	}
	b, err := in.Switched(s)
	if err != nil {
		return lb.Applied{}, err
	}
	defer c.interest.borrow(b.Service)()
	if !s.Force {
		if err := c.awaitHealthy(ctx, b, s.Wait); err != nil {
			return lb.Applied{}, err
		}
	}
	var base uint64
	var before lb.Backend
	applied, err := c.change(ctx, s.Origin, nil, func(in lb.Intent) (lb.Intent, error) {
		// Others may have changed something meanwhile, here and in Consul.
		var err error
		if b, err = in.Switched(s); err != nil {
			return lb.Intent{}, err
		}
		if !s.Force {
			if err := c.inputs.snapshot().Services[b.Service].CheckHealthy(b, 0); err != nil {
				return lb.Intent{}, err
			}
		}
		base, before = in.Revision, in.Backends[s.Backend]
		return in.Apply(lb.Edit{Backend: &b, IfMatch: s.IfMatch, Origin: s.Origin})
	})
	if err == nil {
		applied.Backend = &b
		c.warn(ctx, []lb.Name{b.Key}, &applied)
	}
	if err == nil && applied.Revision > base {
		c.cfg.Journal.Note(switchedEvent(before, b, s.Origin, applied))
		c.persister.wake()
	}
	return applied, err
}

// awaitHealthy waits for a healthy instance of each version that a backend gives traffic to.
func (c *changes) awaitHealthy(ctx context.Context, b lb.Backend, wait time.Duration) error {
	healthy := func(s lb.Service) bool { return len(s.Missing(b.Split())) == 0 }
	if !c.inputs.awaitAnswer(ctx, b.Service, max(wait, c.cfg.FirstAnswer)) {
		return &lb.UnavailableError{What: "Consul has not answered about service " + string(b.Service) + " yet, so nobody knows whether " + b.Selection() + " is healthy"}
	}
	s, _, ok := c.inputs.await(ctx, b.Service, wait, healthy)
	if !ok && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return s.CheckHealthy(b, wait)
}
