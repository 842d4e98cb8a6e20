package agent

import (
	"context"
	"slices"
	"time"

	"thalassa/activity"
	"thalassa/internal/heartbeat"
	"thalassa/lb"
	"thalassa/plan"
)

// serverUpdater changes the servers of the running HAProxy without a reload. It belongs
// to the loop's goroutine.
type serverUpdater struct {
	cfg      *Config
	running  *running
	reporter *reporter
	beat     *heartbeat.Beat

	// suspect: some servers were not as expected, and nobody has looked at the others
	// since.
	suspect bool
}

// apply changes the servers of the running HAProxy to the configuration wanted, in the backends
// that a change is about. If somebody else has changed them, or another worker has taken over,
// found is what was not as expected. A member whose slot was taken gets another one in now. The
// servers as read decide, never what they were assumed to be.
func (s *serverUpdater) apply(ctx context.Context, wanted lb.Config, change plan.Change) (now lb.Config, found []plan.Change, err error) {
	about := change.Backends()
	part := wanted.Part(about)
	var expected *lb.Config // nil: nothing is known of what runs
	if e := s.running.effective; e != nil {
		known := e.config.Part(about)
		expected = &known
	}
	defer s.beat.Step("a change of servers at run time", 2*s.cfg.LongestChange)()
	err = s.cfg.Runtime.Adjust(ctx, about, func(servers []lb.ServerState) ([]lb.ServerOp, error) {
		if expected != nil {
			if drift := plan.Repair(*expected, servers); !drift.Empty() {
				found = append(found, drift.Change)
				part = plan.Reassign(part, servers)
			}
		}
		expected = &part
		next := plan.Repair(part, servers)
		if change := next.Without(s.running.lacks); len(change.Reload) > 0 {
			return nil, &reloadError{change.Reload}
		}
		return next.Ops, nil
	})
	s.running.fixLines(err)
	return wanted.With(part), found, err
}

// repair restores the servers that a drift is about, while HAProxy runs. If their states differ
// from those observed, another worker probably serves.
func (s *serverUpdater) repair(ctx context.Context, drift plan.Change) error {
	config, found, err := s.apply(ctx, s.running.config, drift)
	if err != nil {
		return err
	}
	s.running.setConfig(config)
	s.suspect = len(found) != 1 || !slices.Equal(found[0].Diff(), drift.Diff())
	return nil
}

// noteDrift notes what apply has found changed in HAProxy, and restored. Another
// worker probably serves: others of its servers may differ as well.
func (s *serverUpdater) noteDrift(ctx context.Context, found []plan.Change) {
	for _, change := range found {
		s.reporter.repaired(ctx, s.reporter.repairedEvent(s.running.revision, change))
		s.suspect = true
	}
}

// takeSuspicion reports whether the other servers have to be looked at, once.
func (s *serverUpdater) takeSuspicion() bool {
	suspect := s.suspect
	s.suspect = false
	return suspect
}

// update keeps the members of what runs up to date while HAProxy refuses what is
// wanted, or while its reload is deferred, as far as that needs no reload. A refusal
// may last for days, and instances come and go meanwhile.
func (s *serverUpdater) update(ctx context.Context, snap lb.Snapshot) {
	if !s.running.isKnown() || s.running.idle {
		return
	}
	for s.updateOnce(ctx, snap) { // again, for the slots that were vacated
	}
}

// updateOnce reports whether it has changed anything.
func (s *serverUpdater) updateOnce(ctx context.Context, snap lb.Snapshot) bool {
	begin := time.Now()
	wanted := s.running.within(snap, s.cfg.tuned().MaxServers)
	change := plan.Compute(&s.running.config, wanted).Without(s.running.lacks)
	if change.Servers == 0 {
		return false
	}
	config, found, err := s.apply(ctx, wanted, change)
	if err != nil {
		s.cfg.Logger.WarnContext(ctx, "members not changed at run time", "error", err)
		return false
	}
	s.noteDrift(ctx, found)
	before := *s.running
	s.running.setConfig(config) // with its snapshot: a member that found no slot is still wanted
	s.reporter.adjusted(ctx, before, target{
		effective: effective{config: config, template: before.template, snapshot: snap},
		intent:    lb.Intent{Revision: before.revision},
	}, change, time.Since(begin))
	return true
}

// updateInherited is update for a HAProxy that runs another configuration of an earlier
// agent than the one that it refuses: the backends that it has slots for get the
// members that are wanted, as far as there is room.
func (s *serverUpdater) updateInherited(ctx context.Context, t target) {
	servers, err := s.cfg.Runtime.Servers(ctx)
	if err != nil {
		return // no HAProxy answers
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
	if _, _, err := s.apply(ctx, wanted, change); err != nil {
		s.cfg.Logger.WarnContext(ctx, "members not changed at run time", "error", err)
		return
	}
	s.cfg.Logger.InfoContext(ctx, "members changed in a configuration of an earlier run", "changes", enumerate(change.Diff()))
	e := activity.Event{Verb: activity.HAProxyConfigChanged, Object: haproxyObject(), Diff: change.Diff(), Path: pathRuntime}
	_, e.Cause = s.reporter.cause(*s.running, t)
	s.cfg.Journal.Note(e)
}
