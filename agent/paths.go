package agent

import (
	"context"

	"thalassa/activity"
	"thalassa/haproxy"
	"thalassa/plan"
)

// watchPaths tells of ways to HAProxy that somebody has taken away, and of their return,
// and has HAProxy reloaded when that brings them back. Changes reach HAProxy meanwhile.
func (a *Agent) watchPaths(ctx context.Context, state haproxy.State) {
	if state.Running && state.Lost != a.lost {
		a.notePaths(ctx, state.Lost)
	}
	if !state.Regain || a.running.effective == nil || a.running.idle || a.running.failure != "" || len(a.running.astray) > 0 {
		return // or a round reloads anyway
	}
	a.running.astray = []plan.Reason{{Object: "process", What: "control path", Detail: []string{state.Lost}}}
	a.Look()
}

// notePaths notes which paths are lost now; none: all lead to HAProxy again.
func (a *Agent) notePaths(ctx context.Context, lost string) {
	e := activity.Event{Verb: activity.ControlPathLost, Object: haproxyObject(), Error: lost}
	if lost == "" {
		e.Verb = activity.ControlPathRegained
		a.cfg.Logger.InfoContext(ctx, "all ways to haproxy are there again")
	} else {
		a.cfg.Logger.WarnContext(ctx, "ways to haproxy are lost, those that are left are used", "lost", lost)
	}
	a.lost = lost
	a.cfg.Journal.Note(e)
	a.views.Broadcast()
}
