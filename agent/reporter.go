package agent

import (
	"context"
	"errors"
	"slices"
	"time"

	"thalassa/activity"
	"thalassa/lb"
	"thalassa/plan"
)

// memberEvents bounds the online and offline events of one round. The round's own event
// lists every member.
const memberEvents = 100

// A reporter writes to the activity log what the loop does to HAProxy, and why. It
// belongs to the loop's goroutine.
type reporter struct {
	cfg      *Config
	outcomes *outcomes
	reported lb.Snapshot // whose freshness and holds are in the activity log
}

// applied writes what a round changed: the configuration with cause and difference, by
// which path HAProxy got it, and the members that came and went.
func (r *reporter) applied(ctx context.Context, before running, t target, change plan.Change, out application) {
	e := activity.Event{
		Object: haproxyObject(), Revision: t.intent.Revision, Diff: change.Diff(),
		DurationMS: float64(out.Duration.Microseconds()) / 1000, Path: pathReload,
	}
	e.Author, e.Cause = r.cause(before, t)
	e.PropagationMS = r.propagation(before, t)
	switch {
	case out.Started:
		e.Verb = activity.HAProxyStarted
		if !before.isKnown() {
			e.Diff = nil // there is nothing to compare with
		}
	case out.Reloaded:
		changed := e
		changed.Verb = activity.HAProxyConfigChanged
		r.cfg.Journal.Note(changed)
		e.Verb, e.Diff = activity.HAProxyReloaded, nil
		for _, reason := range change.Reload {
			e.Reasons = append(e.Reasons, reason.Object+" "+reason.What)
		}
	case out.Idle && !before.isKnown():
		return // the file was in place, or there is nothing to compare with
	case out.Idle:
		e.Verb, e.Path = activity.HAProxyConfigChanged, pathNone
	case !before.isKnown():
		e.Verb, e.Diff, e.Path = activity.HAProxyAdopted, nil, pathNone
	default:
		return // HAProxy ran this already
	}
	r.cfg.Logger.InfoContext(ctx, "haproxy in step", "verb", string(e.Verb), "revision", e.Revision, "cause", e.Cause, "duration", out.Duration, "worker", out.WorkerPID)
	r.cfg.Journal.Note(e)
	r.members(before, t, e.Cause)
}

// adjusted writes what a round changed without a reload.
func (r *reporter) adjusted(ctx context.Context, before running, t target, change plan.Change, took time.Duration) {
	e := activity.Event{
		Verb: activity.HAProxyConfigChanged, Object: haproxyObject(), Revision: t.intent.Revision, Diff: change.Diff(),
		DurationMS: float64(took.Microseconds()) / 1000, Path: pathRuntime,
	}
	e.Author, e.Cause = r.cause(before, t)
	e.PropagationMS = r.propagation(before, t)
	switch {
	case !before.isKnown():
		e.Verb = activity.HAProxyAdopted
		if change.Servers+change.Certificates == 0 {
			e.Path = pathNone
		}
	case change.Servers+change.Certificates == 0:
		return
	}
	r.cfg.Logger.InfoContext(ctx, "haproxy in step", "verb", string(e.Verb), "revision", e.Revision, "cause", e.Cause, "duration", took, "servers", change.Servers)
	r.cfg.Journal.Note(e)
	r.members(before, t, e.Cause)
}

// members writes an online or offline event for each member that a
// backend gained or lost while it asked for the same versions.
func (r *reporter) members(before running, t target, cause string) {
	if !before.isKnown() {
		return
	}
	old := map[lb.Name]lb.ResolvedBackend{}
	for _, p := range before.config.Backends {
		old[p.Key] = p
	}
	left := memberEvents
	record := func(verb activity.Verb, members, known []lb.Member) {
		for _, m := range members {
			if left == 0 || slices.ContainsFunc(known, func(k lb.Member) bool { return k.Address == m.Address }) {
				continue
			}
			left--
			r.cfg.Journal.Note(activity.Event{Verb: verb, Object: activity.Object{ID: m.ID(), Type: "backendMember", Key: m.ServerName()}, Cause: cause})
		}
	}
	for _, p := range t.config.Backends {
		was, existed := old[p.Key]
		if !existed || p.Same(was) || p.Type != "dynamic" || was.Service != p.Service || was.Selection() != p.Selection() {
			continue
		}
		record(activity.Offline, was.Members, p.Members)
		record(activity.Online, p.Members, was.Members)
	}
}

// failed writes why what was asked for is not in effect.
func (r *reporter) failed(ctx context.Context, before running, t target, err error) {
	r.cfg.Logger.ErrorContext(ctx, "configuration not in effect", "revision", t.intent.Revision, "error", err)
	e := activity.Event{Verb: activity.HAProxyReloadFailed, Object: haproxyObject(), Revision: t.intent.Revision, Error: outputOf(err)}
	if !t.isComplete || errors.As(err, new(*lb.UnavailableError)) {
		e.Verb = activity.ConfigurationWaiting // HAProxy was not asked
	}
	e.Author, e.Cause = r.cause(before, t)
	r.cfg.Journal.Note(e)
}

// sparesDropped writes why there are no spare slots any more.
func (r *reporter) sparesDropped(ctx context.Context, before running, t target, err error) {
	r.cfg.Logger.WarnContext(ctx, "haproxy cannot have spare servers, continuing with those that are needed", "error", err)
	e := activity.Event{Verb: activity.HAProxyReloadFailed, Object: haproxyObject(), Revision: t.intent.Revision, Error: outputOf(err)}
	e.Author, e.Cause = r.cause(before, t)
	r.cfg.Journal.Note(e)
}

// repairedEvent is the event about what somebody else changed and the agent restored at run time.
func (r *reporter) repairedEvent(revision uint64, change plan.Change) activity.Event {
	return activity.Event{Verb: activity.ServersRepaired, Object: haproxyObject(), Revision: revision, Diff: change.Diff(), Path: pathRuntime}
}

func (r *reporter) repaired(ctx context.Context, e activity.Event) {
	r.cfg.Logger.WarnContext(ctx, "haproxy was changed by somebody else, restoring it", "changes", enumerate(e.Diff))
	r.cfg.Journal.Note(e)
}
