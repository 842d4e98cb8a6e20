package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
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
		if service := c.inputs.snapshot().Services[b.Service]; !s.Force && len(service.Missing(b.Split())) > 0 {
			return lb.Intent{}, &lb.ConflictError{ID: b.ID(), Reason: noHealthy(b, service, 0)}
		}
		base, before = in.Revision, in.Backends[s.Backend]
		return in.Apply(lb.Edit{Backend: &b, IfMatch: s.IfMatch, Origin: s.Origin})
	})
	if err == nil && applied.Revision > base {
		c.cfg.Journal.Note(switchedEvent(before, b, s.Origin, applied))
		c.persister.wake()
	}
	return applied, err
}

func (c *changes) awaitHealthy(ctx context.Context, b lb.Backend, wait time.Duration) error {
	healthy := func(s lb.Service) bool { return len(s.Missing(b.Split())) == 0 }
	if !c.inputs.awaitAnswer(ctx, b.Service, max(wait, c.cfg.FirstAnswer)) {
		return &lb.UnavailableError{What: "Consul has not answered about service " + string(b.Service) + " yet, so nobody knows whether " + b.Selection() + " is healthy"}
	}
	s, _, ok := c.inputs.await(ctx, b.Service, wait, healthy)
	if ok {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &lb.ConflictError{ID: b.ID(), Reason: noHealthy(b, s, wait)}
}

// noHealthy says what Consul knows instead of the versions asked for.
func noHealthy(b lb.Backend, s lb.Service, wait time.Duration) string {
	missing := s.Missing(b.Split())
	names := make([]string, len(missing))
	for i, v := range missing {
		names[i] = string(v)
	}
	reason := fmt.Sprintf("version %s of service %s has no healthy instance", strings.Join(names, ""), b.Service)
	if len(names) != 1 {
		reason = fmt.Sprintf("versions %s of service %s have no healthy instance", strings.Join(names, " and "), b.Service)
	}
	if wait > 0 {
		reason += " after " + wait.String()
	}
	if s.Hold != nil && slices.ContainsFunc(missing, s.Keeps) {
		return reason + " that Consul still lists (" + s.Hold.String() + ")"
	}
	known := s.Versions()
	versions := make([]string, len(known))
	for i, v := range known {
		versions[i] = fmt.Sprintf("%s (%d of %d healthy)", v.Version, v.Healthy, v.Total)
	}
	reason += "; Consul knows " + cmp.Or(strings.Join(versions, ", "), "no instance of that service")
	if why := s.WhyNone(missing); why != "" {
		reason += "; not usable: " + why
	}
	return reason
}
