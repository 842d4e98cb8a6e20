package agent

import (
	"context"

	"thalassa/activity"
	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
)

// Spare server lines are a convenience: without them a change may cost a reload.
// That HAProxy may not open as many files as it would need for them must not keep
// anything else from coming into effect, nor be told of as if it did.

// cram is the target without spare slots beyond those that HAProxy has; false: it
// has none to do without.
func (a *Agent) cram(ctx context.Context, t target) (target, bool) {
	if t.crammed {
		return t, false
	}
	var now plan.Slots
	if a.running.effective != nil {
		now = plan.SlotsOf(a.running.config)
	} else if servers, err := a.cfg.Runtime.Servers(ctx); err == nil { // of an earlier agent
		now = plan.SlotsIn(servers)
	}
	before := slots(t.config)
	t.config, t.crammed = plan.DropSpares(now, t.config), true
	return t, slots(t.config) < before
}

func slots(c lb.Config) int {
	n := 0
	for _, p := range c.Backends {
		n += len(p.Slots)
	}
	return n
}

// noteCrammed tells why there are no spare slots any more.
func (a *Agent) noteCrammed(ctx context.Context, t target, err error) {
	a.cfg.Logger.WarnContext(ctx, "haproxy cannot have spare servers, going on with those that are needed", "error", err)
	e := activity.Event{Verb: activity.HAProxyReloadFailed, Object: haproxyObject(), Revision: t.intent.Revision, Error: words(err)}
	e.Author, e.Cause = a.cause(a.running, t)
	a.cfg.Journal.Note(e)
}

// hasRoomAgain lets pools grow again: another HAProxy runs, which may be allowed
// more.
func (a *Agent) hasRoomAgain() {
	if a.running.effective == nil || !a.running.crammed {
		return
	}
	now := *a.running.effective
	now.crammed = false
	a.running.effective = &now
	a.effective.Store(&now)
}

// isTooLarge reports whether HAProxy has refused to have so many server lines.
func isTooLarge(err error) bool { return isRefusal(err) && haproxy.LacksFiles(words(err)) }
