package agent

import (
	"context"

	"thalassa/activity"
)

// checkStandby finds out whether Pacemaker runs HAProxy on this node. One that it has
// started runs the configuration kept in place for it, but for changes since its start.
func (r *reconciler) checkStandby(ctx context.Context) {
	if !r.cfg.MayBeIdle || !r.running.isKnown() {
		return
	}
	state, err := r.cfg.HAProxy.State(ctx)
	switch {
	case err != nil:
	case r.running.idle && state.Answers:
		r.running.setIdle(false)
		r.cfg.Logger.InfoContext(ctx, "haproxy active on this node", "worker", state.WorkerPID)
		r.cfg.Journal.Note(activity.Event{
			Verb: activity.HAProxyAdopted, Object: haproxyObject(), Revision: r.running.revision, Cause: "pacemaker", Path: pathNone,
		})
		r.monitor.check(ctx)
	case !r.running.idle && !state.Running:
		r.running.setIdle(true)
		r.cfg.Logger.InfoContext(ctx, "haproxy on standby on this node, its configuration is kept in place")
	}
}
