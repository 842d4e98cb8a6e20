package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/activity"
	"thalassa/discovery"
	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
)

// memberEvents bounds the online and offline events of one round; the round's
// own event lists every member anyhow.
const memberEvents = 100

func agentObject(label string) activity.Object {
	return activity.Object{ID: "agent", Type: "agent", Key: label}
}

func haproxyObject() activity.Object {
	return activity.Object{ID: "haproxy", Type: "haproxy"}
}

func backendObject(b lb.Backend) activity.Object {
	return activity.Object{ID: b.ID(), Type: "backend", Key: string(b.Key)}
}

func editedEvent(e lb.Edit, applied lb.Applied) activity.Event {
	kind, key, _ := strings.Cut(e.ID(), "/")
	what := "put"
	if e.Delete != "" {
		what = "deleted"
	}
	return activity.Event{
		Verb: activity.ConfigurationChanged, Object: activity.Object{ID: e.ID(), Type: kind, Key: key},
		Author: e.Stamp.Author, Cause: e.Stamp.Cause, Diff: []string{e.ID() + " " + what},
		Revision: applied.Revision, Path: applied.Path, DurationMS: float64(applied.Duration.Microseconds()) / 1000,
		Error: applied.Reason,
	}
}

func switchedEvent(before, after lb.Backend, by lb.Stamp, applied lb.Applied) activity.Event {
	return activity.Event{
		Verb: activity.BackendSwitched, Object: backendObject(after), Author: by.Author, Cause: by.Cause,
		Diff:     []string{fmt.Sprintf("%s %s → %s %s", before.Service, before.Selection(), after.Service, after.Selection())},
		Revision: applied.Revision, Path: applied.Path, DurationMS: float64(applied.Duration.Microseconds()) / 1000,
		Error: applied.Reason,
	}
}

// noteApplied writes what a round changed: the configuration with cause and
// difference, how HAProxy took it, and the members that came and went.
func (a *Agent) noteApplied(ctx context.Context, before running, t target, change plan.Change, out haproxy.Outcome) {
	e := activity.Event{
		Object: haproxyObject(), Revision: t.intent.Revision, Diff: change.Diff(),
		DurationMS: float64(out.Duration.Microseconds()) / 1000, Path: pathReload,
	}
	e.Author, e.Cause = a.cause(before, t)
	e.PropagationMS = a.propagation(before, t)
	switch {
	case out.Started:
		e.Verb = activity.HAProxyStarted
		if before.effective == nil {
			e.Diff = nil // there is nothing to compare with
		}
	case out.Reloaded:
		changed := e
		changed.Verb = activity.HAProxyConfigChanged
		a.cfg.Journal.Note(changed)
		e.Verb, e.Diff = activity.HAProxyReloaded, nil
		for _, r := range change.Reload {
			e.Reasons = append(e.Reasons, r.Object+" "+r.What)
		}
	case out.Idle && before.effective == nil:
		return // it is in place as it was, or there is nothing to compare with
	case out.Idle:
		e.Verb, e.Path = activity.HAProxyConfigChanged, pathNone
	case before.effective == nil:
		e.Verb, e.Diff, e.Path = activity.HAProxyAdopted, nil, pathNone
	default:
		return // HAProxy ran this already
	}
	a.cfg.Logger.InfoContext(ctx, "haproxy in step", "verb", string(e.Verb), "revision", e.Revision, "cause", e.Cause, "duration", out.Duration, "worker", out.WorkerPID)
	a.cfg.Journal.Note(e)
	a.noteMembers(before, t, e.Cause)
}

// noteAdjusted writes what a round changed without a reload.
func (a *Agent) noteAdjusted(ctx context.Context, before running, t target, change plan.Change, took time.Duration) {
	e := activity.Event{
		Verb: activity.HAProxyConfigChanged, Object: haproxyObject(), Revision: t.intent.Revision, Diff: change.Diff(),
		DurationMS: float64(took.Microseconds()) / 1000, Path: pathRuntime,
	}
	e.Author, e.Cause = a.cause(before, t)
	e.PropagationMS = a.propagation(before, t)
	switch {
	case before.effective == nil:
		e.Verb = activity.HAProxyAdopted
		if change.Servers == 0 {
			e.Path = pathNone
		}
	case change.Servers == 0:
		return
	}
	a.cfg.Logger.InfoContext(ctx, "haproxy in step", "verb", string(e.Verb), "revision", e.Revision, "cause", e.Cause, "duration", took, "servers", change.Servers)
	a.cfg.Journal.Note(e)
	a.noteMembers(before, t, e.Cause)
}

// noteMembers writes an online or offline event for each member that a
// backend gained or lost while it asked for the same versions.
func (a *Agent) noteMembers(before running, t target, cause string) {
	if before.effective == nil {
		return
	}
	old := map[lb.Name]lb.Pool{}
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
			a.cfg.Journal.Note(activity.Event{Verb: verb, Object: activity.Object{ID: m.ID(), Type: "backendMember", Key: m.ServerName()}, Cause: cause})
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

// cause says who or what made this round necessary.
func (a *Agent) cause(before running, t target) (author, cause string) {
	a.mu.Lock()
	p := a.pending
	a.mu.Unlock()
	switch {
	case before.effective == nil:
		return "", "start of the agent"
	case t.intent.Revision != before.revision && p != nil && p.revision == t.intent.Revision:
		return p.by.Author, p.by.Cause
	case t.intent.Revision != before.revision:
		return "", fmt.Sprintf("revision %d", t.intent.Revision)
	case p != nil && p.template == t.template:
		return "", "template"
	}
	var services []string
	for _, name := range slices.Sorted(maps.Keys(t.snapshot.Services)) {
		if s := t.snapshot.Services[name]; !s.SameAnswer(before.seen.Services[name]) {
			services = append(services, fmt.Sprintf("%s@%d", name, s.Index))
		}
	}
	if len(services) == 0 {
		return "", "haproxy differed"
	}
	return "", "consul: " + enumerate(services)
}

// propagation is how long the cause of a round was known before the round was in
// effect, in milliseconds; 0: that cannot be told.
func (a *Agent) propagation(before running, t target) float64 {
	if before.effective == nil {
		return 0
	}
	a.mu.Lock()
	p := a.pending
	a.mu.Unlock()
	var known time.Time
	if t.intent.Revision != before.revision {
		if p != nil && p.revision == t.intent.Revision {
			known = p.by.Time
		}
	} else {
		for name, s := range t.snapshot.Services {
			if s.Index != before.seen.Services[name].Index && (known.IsZero() || s.Seen.Before(known)) {
				known = s.Seen
			}
		}
	}
	if known.IsZero() {
		return 0
	}
	return max(0, float64(a.cfg.Now().Sub(known).Microseconds())/1000)
}

// enumerate lists up to ten of the names.
func enumerate(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// noteFailed writes why what was asked for is not in effect.
func (a *Agent) noteFailed(ctx context.Context, t target, err error) {
	a.cfg.Logger.ErrorContext(ctx, "configuration not in effect", "revision", t.intent.Revision, "error", err)
	e := activity.Event{Verb: activity.HAProxyReloadFailed, Object: haproxyObject(), Revision: t.intent.Revision, Error: words(err)}
	if !t.aimed || errors.As(err, new(*lb.UnavailableError)) {
		e.Verb = activity.ConfigurationWaiting // HAProxy has not been asked to
	}
	e.Author, e.Cause = a.cause(a.running, t)
	a.cfg.Journal.Note(e)
}

// noteFreshness writes which services Consul stopped or resumed answering
// for, one event for all of them.
func (a *Agent) noteFreshness(snap lb.Snapshot) {
	var stale, fresh []string
	reason := ""
	for _, name := range slices.Sorted(maps.Keys(snap.Services)) {
		was, is := a.running.told.Services[name].Stale, snap.Services[name].Stale
		switch {
		case !isLost(was) && isLost(is):
			stale, reason = append(stale, string(name)), is
		case isLost(was) && is == "":
			fresh = append(fresh, string(name))
		}
	}
	object := activity.Object{ID: "discovery", Type: "discovery"}
	if len(stale) > 0 {
		a.cfg.Logger.Warn("discovery stale, the last good members stay", "services", enumerate(stale), "reason", reason)
		a.cfg.Journal.Note(activity.Event{Verb: activity.DiscoveryStale, Object: object, Reasons: stale, Error: reason})
	}
	if len(fresh) > 0 {
		a.cfg.Logger.Info("discovery answers again", "services", enumerate(fresh))
		a.cfg.Journal.Note(activity.Event{Verb: activity.DiscoveryRecovered, Object: object, Reasons: fresh})
	}
	a.noteHolds(snap)
	a.running.told = snap
}

// isLost tells a service that Consul fails to answer for from one that it was
// not asked about yet.
func isLost(stale string) bool { return stale != "" && stale != discovery.Unconfirmed }
