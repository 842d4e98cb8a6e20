package agent

import (
	"context"

	"thalassa/activity"
	"thalassa/plan"
)

// patrol compares the servers of the running HAProxy with what they should be,
// and repairs what somebody did behind the agent's back. It reports whether
// there was anything to repair.
func (a *Agent) patrol(ctx context.Context) bool {
	if a.running.effective == nil || a.running.failure != "" {
		return false // a round is due anyway
	}
	servers, err := a.cfg.Runtime.Servers(ctx)
	if err != nil {
		return false // not running, which is noticed elsewhere, or just reloading
	}
	change := plan.Repair(a.running.config, servers)
	if change.Empty() {
		return false
	}
	e := activity.Event{Verb: activity.ServersRepaired, Object: haproxyObject(), Revision: a.running.revision, Diff: change.Diff(), Path: pathRuntime}
	if len(change.Reload) == 0 {
		err = a.cfg.Runtime.Adjust(ctx, change.Ops)
	}
	if len(change.Reload) > 0 || err != nil {
		// HAProxy runs another configuration than it should: a round sorts it out.
		a.running.failure = "HAProxy's servers are not those of its configuration"
		e.Path = pathReload
		a.Look()
	}
	if err != nil {
		e.Error = err.Error()
	}
	a.cfg.Logger.WarnContext(ctx, "servers of haproxy were changed by somebody else, putting them right", "changes", enumerate(e.Diff))
	a.cfg.Journal.Note(e)
	return true
}
