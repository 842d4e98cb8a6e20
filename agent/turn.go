package agent

import (
	"context"
	"slices"
	"time"

	"thalassa/lb"
	"thalassa/plan"
)

// mayWait reports whether a reload can be put off: there is a HAProxy to reload, a
// change in Consul calls for it and nobody else, and its turn has not come. The turn is chosen by chance, once
// for all changes until then.
func (a *Agent) mayWait(t target, change plan.Change) bool {
	if a.cfg.ReloadJitter <= 0 || a.running.idle || t.intent.Revision != a.running.revision || len(a.running.astray) > 0 {
		return false
	}
	if a.running.turn.IsZero() {
		wait := a.cfg.Chance(a.cfg.ReloadJitter)
		a.running.turn = time.Now().Add(wait)
		a.cfg.Logger.Info("reload put off until its turn", "wait", wait, "reasons", enumerate(change.Diff()))
	}
	return time.Now().Before(a.running.turn)
}

// putOff has the members come and go that HAProxy takes without a reload. A backend
// that would have no member until its turn does not wait for it. What Consul's
// change was is told with the reload, and at once whether Consul can be believed.
func (a *Agent) putOff(ctx context.Context, t target) outcome {
	a.noteFreshness(t.snapshot)
	a.follow(ctx, t.snapshot)
	t.config = a.running.resolve(t.intent, t.snapshot, a.cfg.Process, t.control)
	change := a.difference(t)
	switch {
	case ctx.Err() != nil:
		return outcome{err: ctx.Err()}
	case len(change.Reload) == 0: // the slots that others have left were enough
		return a.adjust(ctx, t, change)
	case losesAllMembers(a.running.config, t.config):
		return a.reload(ctx, t, change)
	}
	return t.outcome(pathNone, nil)
}

// losesAllMembers reports whether a backend of running has none of the members that are
// wanted, though there are some.
func losesAllMembers(running, wanted lb.Config) bool {
	now := map[lb.Name][]lb.Member{}
	for _, p := range running.Backends {
		now[p.Key] = p.Members
	}
	return slices.ContainsFunc(wanted.Backends, func(p lb.Pool) bool {
		serves := func(m lb.Member) bool {
			return slices.ContainsFunc(now[p.Key], func(n lb.Member) bool { return n.Address == m.Address })
		}
		return len(p.Members) > 0 && !slices.ContainsFunc(p.Members, serves)
	})
}
