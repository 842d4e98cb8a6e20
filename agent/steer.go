package agent

import (
	"context"
	"errors"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/plan"
)

// steer has the servers of the running HAProxy stand as wanted says, in the backends
// that a change is about. Somebody else may just have changed them, or have put
// another worker in the place of the one that had them: strayed is what was not as it
// should be then, and now is wanted with other slots for the members whose slots were
// taken. What steers is how the servers stand, never how they are thought to.
func (a *Agent) steer(ctx context.Context, wanted lb.Config, change plan.Change) (now lb.Config, strayed []plan.Change, err error) {
	about := change.Backends()
	part := wanted.Part(about)
	var expected *lb.Config // nil: nothing is known of what runs
	if e := a.running.effective; e != nil {
		known := e.config.Part(about)
		expected = &known
	}
	err = a.cfg.Runtime.Adjust(ctx, about, func(servers []lb.ServerState) ([]lb.ServerOp, error) {
		if expected != nil {
			if found := plan.Repair(*expected, servers); !found.Empty() {
				strayed = append(strayed, found.Change)
				part = plan.Reassign(part, servers)
			}
		}
		expected = &part
		next := plan.Repair(part, servers)
		if change := next.Without(a.running.lacks); len(change.Reload) > 0 {
			return nil, &reloadError{change.Reload}
		}
		return next.Ops, nil
	})
	return wanted.With(part), strayed, err
}

// A reloadError says why servers cannot be put right without a reload.
type reloadError struct {
	reasons []plan.Reason
}

func (e *reloadError) Error() string {
	return "a reload is needed: " + enumerate(plan.Change{Reload: e.reasons}.Diff())
}

func needsReload(err error) bool {
	_, ok := errors.AsType[*reloadError](err)
	return ok
}

// reasonsOf are the reasons to reload after a failure of steer, of which some may have
// been carried out; none after nil.
func reasonsOf(err error) []plan.Reason {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*reloadError](err); ok {
		return e.reasons
	}
	return []plan.Reason{{Object: "process", What: "runtime", Detail: []string{err.Error()}}}
}

// noteStrayed notes what steer has found astray in HAProxy, and put right. Probably
// another worker serves: others of its servers may be astray as well.
func (a *Agent) noteStrayed(ctx context.Context, strayed []plan.Change) {
	for _, change := range strayed {
		a.noteRepaired(ctx, a.repaired(change))
		a.doubtful = true
	}
}

// repaired is the event of what somebody else did, put right at run time.
func (a *Agent) repaired(change plan.Change) activity.Event {
	return activity.Event{Verb: activity.ServersRepaired, Object: haproxyObject(), Revision: a.running.revision, Diff: change.Diff(), Path: pathRuntime}
}

func (a *Agent) noteRepaired(ctx context.Context, e activity.Event) {
	a.cfg.Logger.WarnContext(ctx, "haproxy was changed by somebody else, putting it right", "changes", enumerate(e.Diff))
	a.cfg.Journal.Note(e)
}
