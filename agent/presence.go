package agent

import (
	"context"

	"thalassa/activity"
)

// notePresence finds out whether Pacemaker has HAProxy run here. One that has
// appeared runs what was in place for it, but for what changed while it started.
func (a *Agent) notePresence(ctx context.Context) {
	if !a.cfg.MayBeIdle || a.running.effective == nil {
		return
	}
	state, err := a.cfg.HAProxy.State(ctx)
	switch {
	case err != nil:
	case a.running.idle && state.Answers:
		a.running.idle = false
		a.cfg.Logger.InfoContext(ctx, "haproxy is here", "worker", state.WorkerPID)
		a.cfg.Journal.Note(activity.Event{
			Verb: activity.HAProxyAdopted, Object: haproxyObject(), Revision: a.running.revision, Cause: "pacemaker", Path: pathNone,
		})
		a.patrol(ctx)
	case !a.running.idle && !state.Running:
		a.running.idle = true
		a.cfg.Logger.InfoContext(ctx, "haproxy is not here, its configuration is kept in place")
	}
}
