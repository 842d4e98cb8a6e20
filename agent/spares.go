package agent

import (
	"context"

	"thalassa/lb"
	"thalassa/plan"
)

// Spare server lines are a convenience: without them a change may cost a reload. HAProxy
// may not be allowed to open as many files as they need. That must not keep anything
// else from coming into effect, nor be reported as if it did.

// dropSpares is the target without spare slots beyond those that HAProxy has; false:
// there are none to drop.
func (r *reconciler) dropSpares(ctx context.Context, t target) (target, bool) {
	if t.noSpares {
		return t, false
	}
	var now plan.Slots
	if r.running.isKnown() {
		now = plan.SlotsOf(r.running.config)
	} else if servers, err := r.cfg.Runtime.Servers(ctx); err == nil { // of an earlier agent
		now = plan.SlotsIn(servers)
	}
	before := slots(t.config)
	t.config, t.noSpares = plan.DropSpares(now, t.config), true
	return t, slots(t.config) < before
}

// reloadWithoutSpares makes HAProxy, which was too large with spare servers, run the
// target without them.
func (r *reconciler) reloadWithoutSpares(ctx context.Context, t target, tooLarge error) outcome {
	change := r.difference(t)
	if len(change.Reload) == 0 {
		r.reporter.sparesDropped(ctx, *r.running, t, tooLarge)
		return r.adjust(ctx, t, change)
	}
	out, err := r.apply(ctx, t)
	if err != nil {
		return r.fail(ctx, t, err)
	}
	r.reporter.sparesDropped(ctx, *r.running, t, tooLarge)
	return r.finishReload(ctx, t, change, out)
}

func slots(c lb.Config) int {
	n := 0
	for _, p := range c.Backends {
		n += len(p.Slots)
	}
	return n
}
