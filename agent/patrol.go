package agent

import (
	"context"
	"time"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/plan"
)

// patrol compares what HAProxy runs with what it should, and repairs what
// somebody did behind the agent's back. It reports whether there was anything to
// repair.
func (a *Agent) patrol(ctx context.Context) bool {
	if a.running.effective == nil || a.running.astray != nil {
		return false // a round is due anyway
	}
	change, servers, err := a.drift(ctx)
	if err != nil || change.Empty() {
		return false // an error: not running, which is noticed elsewhere, or just reloading
	}
	if len(change.Reload) > 0 && a.running.failure != "" {
		a.Look() // perhaps HAProxy has come back with what it refused or could not be told
		return false
	}
	e := activity.Event{Verb: activity.ServersRepaired, Object: haproxyObject(), Revision: a.running.revision, Diff: change.Diff(), Path: pathRuntime}
	if servers != nil {
		if change, err = a.repair(ctx, servers); err != nil {
			e.Error = err.Error()
			change.Reload = []plan.Reason{failedAtRunTime(err)}
		}
	}
	if len(change.Reload) > 0 {
		e.Path = pathReload
		a.running.astray = change.Reload // a round sorts it out
		a.Look()
	}
	a.cfg.Logger.WarnContext(ctx, "haproxy was changed by somebody else, putting it right", "changes", enumerate(e.Diff))
	a.cfg.Journal.Note(e)
	return true
}

// drift is how the running HAProxy differs from what it should be: not at all,
// or it runs another configuration, or its servers stand otherwise. These are
// returned as well then.
func (a *Agent) drift(ctx context.Context) (plan.Change, []lb.ServerState, error) {
	state, err := a.cfg.HAProxy.State(ctx)
	if err != nil || !state.Answers {
		return plan.Change{}, nil, err
	}
	if state.Fingerprint != a.running.shows {
		return plan.Change{Reload: []plan.Reason{{Object: "process", What: "configuration", Detail: []string{"it was not the agent's"}}}}, nil, nil
	}
	servers, err := a.cfg.Runtime.Servers(ctx)
	if err != nil {
		return plan.Change{}, nil, err
	}
	a.tellDown(servers)
	return plan.Repair(a.running.config, servers).Without(a.running.lacks), servers, nil
}

// repair puts servers right as HAProxy runs, unless the change says that only a
// reload can. Members whose slots somebody has taken move to others.
func (a *Agent) repair(ctx context.Context, servers []lb.ServerState) (plan.Change, error) {
	now := *a.running.effective
	now.file = a.nextFile()
	now.config = plan.Resettle(now.config, servers)
	change := plan.Repair(now.config, servers).Without(a.running.lacks)
	if len(change.Reload) > 0 {
		return change, nil
	}
	if err := a.cfg.Runtime.Adjust(ctx, change.Ops); err != nil {
		return change, err
	}
	a.running.effective = &now
	a.effective.Store(&now)
	return change, nil
}

// follow keeps the members of what runs up to date while HAProxy refuses what is
// wanted, as far as that needs no reload: what is refused may stay so for days,
// and instances do not.
func (a *Agent) follow(ctx context.Context, snap lb.Snapshot) {
	for a.running.effective != nil && !a.running.idle && a.followStep(ctx, snap) { // again, for the slots that were vacated
	}
}

// followUnknown is follow for a HAProxy that an earlier agent has left with another
// configuration than the one that is refused: the backends that it has slots for get
// the members that are wanted, as far as there is room.
func (a *Agent) followUnknown(ctx context.Context, t target) {
	servers, err := a.cfg.Runtime.Servers(ctx)
	if err != nil {
		return // there is nobody to follow, or who can be asked
	}
	now := plan.Recall(servers)
	var wanted lb.Config
	for _, p := range t.config.Backends {
		if slots := now[p.Key]; len(slots) > 0 && p.Slots != nil {
			wanted.Backends = append(wanted.Backends, plan.Fit(slots, p))
		}
	}
	change := plan.Repair(wanted, servers)
	if len(change.Ops) == 0 || len(change.Reload) > 0 {
		return
	}
	if err := a.cfg.Runtime.Adjust(ctx, change.Ops); err != nil {
		a.cfg.Logger.WarnContext(ctx, "members not changed at run time", "error", err)
		return
	}
	a.cfg.Logger.InfoContext(ctx, "members changed in a configuration of an earlier run", "changes", enumerate(change.Diff()))
	e := activity.Event{Verb: activity.HAProxyConfigChanged, Object: haproxyObject(), Diff: change.Diff(), Path: pathRuntime}
	_, e.Cause = a.cause(a.running, t)
	a.cfg.Journal.Note(e)
}

// followStep reports whether it has changed anything.
func (a *Agent) followStep(ctx context.Context, snap lb.Snapshot) bool {
	begin := time.Now()
	now := *a.running.effective // with its snapshot: what found no room is still wanted
	now.config, now.file = now.within(snap), a.nextFile()
	change := plan.Compute(&a.running.config, now.config).Without(a.running.lacks)
	if len(change.Ops) == 0 {
		return false
	}
	if err := a.cfg.Runtime.Adjust(ctx, change.Ops); err != nil {
		a.cfg.Logger.WarnContext(ctx, "members not changed at run time", "error", err)
		return false
	}
	before := a.running
	a.running.effective = &now
	a.effective.Store(&now)
	a.noteAdjusted(ctx, before, target{
		effective: effective{config: now.config, template: now.template, snapshot: snap},
		intent:    lb.Intent{Revision: before.revision},
	}, change, time.Since(begin))
	return true
}
