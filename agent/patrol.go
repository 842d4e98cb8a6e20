package agent

import (
	"context"
	"slices"
	"time"

	"thalassa/activity"
	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
)

// A sight is how the running HAProxy stood when somebody looked.
type sight struct {
	state   haproxy.State
	known   bool             // the worker was, and nothing else was looked at
	servers []lb.ServerState // when it shows the fingerprint that it should
	err     error
	took    time.Duration
}

// look reads how HAProxy stands, which is to show a fingerprint. The servers of a
// worker that is known (0: none is) are not read. It may run beside the loop.
func (a *Agent) look(ctx context.Context, shows string, known int) (s sight) {
	begin := time.Now()
	defer func() { s.took = time.Since(begin) }()
	s.state, s.err = a.cfg.HAProxy.State(ctx)
	if s.err != nil || !s.state.Answers {
		return s
	}
	if s.known = known != 0 && s.state.WorkerPID == known; s.known || s.state.Fingerprint != shows {
		return s
	}
	s.servers, s.err = a.cfg.Runtime.Servers(ctx)
	return s
}

// patrol compares what HAProxy runs with what it should, and repairs what
// somebody did behind the agent's back.
func (a *Agent) patrol(ctx context.Context) {
	if a.mayPatrol() {
		a.judge(ctx, a.look(ctx, a.running.shows, 0))
	}
}

// mayPatrol reports whether it is known what HAProxy should run; else a round is due
// anyway.
func (a *Agent) mayPatrol() bool { return a.running.effective != nil && a.running.astray == nil }

// judge is patrol for a sight, since which no round has changed anything. It reports
// whether there was anything to repair.
func (a *Agent) judge(ctx context.Context, s sight) bool {
	change := a.drift(s)
	if change.Empty() {
		return false
	}
	e, reasons := a.repaired(change), change.Reload
	if s.servers != nil {
		err := a.repair(ctx, change)
		if reasons = reasonsOf(err); err != nil && !needsReload(err) {
			e.Error = err.Error()
		}
	}
	if len(reasons) > 0 && e.Error == "" && a.running.failure != "" {
		a.Look() // perhaps HAProxy has come back with what it refused or could not be told
		return false
	}
	if len(reasons) > 0 {
		e.Path = pathReload
		a.running.astray = reasons // a round sorts it out
		a.Look()
	}
	a.noteRepaired(ctx, e)
	return true
}

// drift is how a HAProxy differs from what it should be: not at all, or it runs
// another configuration, or its servers stand otherwise. One that does not run, which
// is noticed elsewhere, or is just reloading, does not differ.
func (a *Agent) drift(s sight) plan.Change {
	switch {
	case s.err != nil || !s.state.Answers:
		return plan.Change{}
	case s.state.Fingerprint != a.running.shows:
		return plan.Change{Reload: []plan.Reason{{Object: "process", What: "configuration", Detail: []string{"it was not the agent's"}}}}
	}
	a.tellDown(s.servers)
	return plan.Repair(a.running.config, s.servers).Without(a.running.lacks)
}

// repair puts the servers right that a change is about, as HAProxy runs. When they
// stood otherwise than they were seen, another worker serves probably.
func (a *Agent) repair(ctx context.Context, change plan.Change) error {
	now := *a.running.effective
	now.file = a.nextFile()
	config, strayed, err := a.steer(ctx, now.config, change)
	if err != nil {
		return err
	}
	now.config = config
	a.running.effective = &now
	a.effective.Store(&now)
	a.doubtful = len(strayed) != 1 || !slices.Equal(strayed[0].Diff(), change.Diff())
	return nil
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
	now := plan.SlotsIn(servers)
	var wanted lb.Config
	for _, p := range t.config.Backends {
		if slots := now[p.Key]; len(slots) > 0 && p.Slots != nil {
			wanted.Backends = append(wanted.Backends, plan.Fit(slots, p))
		}
	}
	change := plan.Repair(wanted, servers).Change
	if change.Servers == 0 || len(change.Reload) > 0 {
		return
	}
	if _, _, err := a.steer(ctx, wanted, change); err != nil {
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
	if change.Servers == 0 {
		return false
	}
	config, strayed, err := a.steer(ctx, now.config, change)
	if err != nil {
		a.cfg.Logger.WarnContext(ctx, "members not changed at run time", "error", err)
		return false
	}
	now.config = config
	a.noteStrayed(ctx, strayed)
	before := a.running
	a.running.effective = &now
	a.effective.Store(&now)
	a.noteAdjusted(ctx, before, target{
		effective: effective{config: now.config, template: now.template, snapshot: snap},
		intent:    lb.Intent{Revision: before.revision},
	}, change, time.Since(begin))
	return true
}
