package agent

import (
	"context"
	"errors"
	"time"

	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
	"thalassa/template"
)

// The paths a round can take.
const (
	pathNone    = "none"
	pathRuntime = "runtime" // servers changed in the running HAProxy
	pathReload  = "reload"
)

// outcome is what became of a round.
type outcome struct {
	revision uint64             // of the intent that the round looked at
	template *template.Template // that it rendered with
	path     string
	err      error  // why that intent is not in effect
	inEffect uint64 // the revision that is
}

// running is what the loop knows about the configuration in effect.
type running struct {
	*effective             // nil: not known yet
	revision   uint64      // of the intent in effect
	idle       bool        // HAProxy does not run here, and need not; effective is for its start
	seen       lb.Snapshot // dealt with last
	told       lb.Snapshot // whose freshness and holds are in the activity
	failure    string      // of the last round, to tell a transition from a repetition
	// shows is the fingerprint that HAProxy shows while it runs that; "" where the
	// template leaves it out.
	shows string
	// lacks is what HAProxy does not offer for changes at run time.
	lacks string
	// astray is why only a new worker helps, though HAProxy has the right file:
	// its servers are others, and cannot be put right as it runs.
	astray []plan.Reason
	// turn is when a reload that was put off is due; zero: none was.
	turn time.Time
}

// target is what a round wants HAProxy to run.
type target struct {
	effective
	intent lb.Intent
	aimed  bool // it is complete
}

func (t target) outcome(path string, err error) outcome {
	return outcome{revision: t.intent.Revision, template: t.template, path: path, err: err}
}

// round brings HAProxy in step once. Whatever fails leaves HAProxy running what
// it ran.
func (a *Agent) round(ctx context.Context) outcome {
	a.rounds++
	a.notePresence(ctx)
	t, err := a.aim(ctx)
	if err != nil {
		return a.failed(ctx, t, err)
	}
	if a.running.effective == nil {
		return a.meet(ctx, t)
	}
	change := a.difference(t)
	if a.running.failure == "" && t.template == a.running.template {
		switch {
		case change.Empty():
			t.file = a.running.file
			a.inEffect(t, a.running.shows, pathNone)
			return t.outcome(pathNone, nil)
		case len(change.Reload) == 0 && !a.running.idle:
			return a.adjust(ctx, t, change)
		case a.mayWait(t, change):
			return a.putOff(ctx, t)
		}
	}
	return a.reload(ctx, t, change)
}

// difference is what the target changes, and what else needs a reload.
func (a *Agent) difference(t target) plan.Change {
	if a.running.effective == nil {
		return plan.Compute(nil, t.config)
	}
	change := plan.Compute(&a.running.config, t.config)
	change.Reload = append(change.Reload, a.running.astray...)
	return change.Without(a.running.lacks)
}

// aim works out what HAProxy is to run now. On an error the target still tells
// the revision.
func (a *Agent) aim(ctx context.Context) (target, error) {
	t := target{effective: effective{template: a.template.current(), snapshot: a.Snapshot(), control: a.control()}}
	var err error
	if t.intent, err = a.Intent(ctx); err != nil {
		return t, err
	}
	kept, err := a.recall(ctx, t.intent, t.snapshot)
	if err != nil {
		return t, err
	}
	t.crammed = a.running.effective != nil && a.running.crammed
	t.config = recalled(a.running.resolve(t.intent, t.snapshot, a.cfg.Process, t.control), kept)
	a.noteLeftOut(ctx, t)
	if err := a.keepInherited(ctx, t); err != nil {
		return t, err
	}
	t.revision, t.aimed = t.intent.Revision, true
	return t, nil
}

// meet is the first round. A HAProxy that runs the wanted configuration but for
// the members in its slots is only adjusted; otherwise it is started or reloaded.
func (a *Agent) meet(ctx context.Context, t target) outcome {
	unknown := a.difference(t)
	state, err := a.cfg.HAProxy.State(ctx)
	if err != nil || !state.Running {
		return a.reload(ctx, t, unknown)
	}
	servers, err := a.cfg.Runtime.Servers(ctx)
	if err != nil {
		return a.reload(ctx, t, unknown)
	}
	t.config = plan.Layout(plan.SlotsIn(servers), t.config)
	rendered, err := t.template.Render(t.config)
	if err != nil {
		return a.failed(ctx, t, err)
	}
	change := plan.Repair(t.config, servers).Change
	if rendered.Fingerprint != state.Fingerprint || len(change.Reload) > 0 {
		if rendered.Fingerprint == state.Fingerprint {
			a.running.astray = change.Reload
		}
		return a.reload(ctx, t, unknown)
	}
	if change = change.Without(state.Lacks); len(change.Reload) > 0 {
		return a.reload(ctx, t, unknown)
	}
	a.running.shows = state.Fingerprint
	a.learn(ctx, state)
	return a.adjust(ctx, t, change)
}

// adjust makes HAProxy run the target without a reload. HAProxy's servers being
// other than thought, it reloads after all.
func (a *Agent) adjust(ctx context.Context, t target, change plan.Change) outcome {
	begin := time.Now()
	if change.Servers > 0 {
		config, strayed, err := a.steer(ctx, t.config, change)
		if err != nil {
			if ctx.Err() != nil {
				return outcome{err: ctx.Err()}
			}
			a.cfg.Logger.WarnContext(ctx, "change at run time failed, reloading haproxy", "error", err)
			a.running.astray = reasonsOf(err)
			change.Reload = append(change.Reload, a.running.astray...)
			return a.reload(ctx, t, change)
		}
		t.config = config
		a.noteStrayed(ctx, strayed)
	}
	before := a.running
	path := pathRuntime
	if change.Servers == 0 {
		path = pathNone
	}
	a.inEffect(t, a.running.shows, path)
	a.noteAdjusted(ctx, before, t, change, time.Since(begin))
	return t.outcome(path, nil)
}

// reload makes HAProxy run the target with a new worker, at the configured rate.
func (a *Agent) reload(ctx context.Context, t target, change plan.Change) outcome {
	if !a.running.idle && !a.limiter.Allow() {
		if err := a.limiter.Wait(ctx); err != nil {
			return outcome{err: err}
		}
		var err error
		if t, err = a.aim(ctx); err != nil { // the world has moved on meanwhile
			return a.failed(ctx, t, err)
		}
		change = a.difference(t)
	}
	out, fingerprint, err := a.apply(ctx, t)
	if isTooLarge(err) {
		if crammed, less := a.cram(ctx, t); less {
			tooLarge := err
			t, change = crammed, a.difference(crammed)
			if len(change.Reload) == 0 {
				a.noteCrammed(ctx, t, tooLarge)
				return a.adjust(ctx, t, change)
			}
			if out, fingerprint, err = a.apply(ctx, t); err == nil {
				a.noteCrammed(ctx, t, tooLarge)
			}
		}
	}
	if err != nil {
		return a.failed(ctx, t, err)
	}
	before := a.running
	a.running.idle = out.Idle
	a.inEffect(t, a.shown(ctx, fingerprint), pathOf(out))
	a.noteApplied(ctx, before, t, change, out)
	return t.outcome(pathOf(out), nil)
}

// apply has HAProxy take the target, and returns the target's fingerprint.
func (a *Agent) apply(ctx context.Context, t target) (haproxy.Outcome, string, error) {
	rendered, err := t.template.Render(t.config)
	if err != nil {
		return haproxy.Outcome{}, "", err
	}
	fingerprint := rendered.Fingerprint
	if len(a.running.astray) > 0 {
		fingerprint = "" // HAProxy may show the right one, and is to be reloaded nevertheless
	}
	out, err := a.cfg.HAProxy.Apply(ctx, rendered.Bytes, fingerprint)
	return out, rendered.Fingerprint, err
}

func pathOf(out haproxy.Outcome) string {
	if out.Reloaded || out.Started {
		return pathReload
	}
	return pathNone
}

// shown is the fingerprint that HAProxy shows from now on: none when the
// template does not write it. What the new worker can do is learned as well.
func (a *Agent) shown(ctx context.Context, fingerprint string) string {
	state, err := a.cfg.HAProxy.State(ctx)
	if err != nil || !state.Answers {
		return fingerprint
	}
	a.learn(ctx, state)
	if state.Fingerprint == "" {
		return ""
	}
	return fingerprint
}

// learn notes what HAProxy lacks.
func (a *Agent) learn(ctx context.Context, state haproxy.State) {
	if state.Lacks != a.running.lacks {
		a.cfg.Logger.WarnContext(ctx, "what haproxy lacks for changes without a reload", "lacks", state.Lacks, "before", a.running.lacks)
	}
	a.running.lacks = state.Lacks
}

// inEffect notes that HAProxy runs the target, or is to start with it, by which
// path it got it, and that it shows that fingerprint.
func (a *Agent) inEffect(t target, shows, path string) {
	now := t.effective
	if now.file == 0 {
		now.file = a.nextFile()
	}
	var own bool
	if now.origin, own = a.originOf(t, path); own {
		a.toRecord(&now)
	}
	a.running = running{effective: &now, revision: t.intent.Revision, idle: a.running.idle, shows: shows, seen: t.snapshot, told: a.running.told, lacks: a.running.lacks}
	a.noteFreshness(t.snapshot)
	a.effective.Store(&now)
	if !a.wasInStep() {
		close(a.inStep)
	}
}

// nextFile is the number of another haproxy.cfg.
func (a *Agent) nextFile() uint64 {
	a.files++
	return a.files
}

// failed notes a failure once, however often it repeats. A refusal counts, and
// is told to whoever waits for it, also when the agent is stopping.
func (a *Agent) failed(ctx context.Context, t target, err error) outcome {
	if ctx.Err() != nil && !isRefusal(err) {
		return outcome{err: ctx.Err()}
	}
	switch {
	case !isRefusal(err):
	case a.running.effective == nil:
		a.followUnknown(ctx, t)
	default:
		a.follow(ctx, t.snapshot)
	}
	if err.Error() != a.running.failure {
		a.running.failure = err.Error()
		a.noteFailed(ctx, t, err)
	}
	a.running.seen = t.snapshot
	a.noteFreshness(t.snapshot)
	return t.outcome(pathNone, err)
}

// isRefusal reports whether HAProxy, rather than the surroundings, said no.
func isRefusal(err error) bool {
	_, ok := errors.AsType[*lb.RefusedError](err)
	return ok
}

// words are HAProxy's own where the error carries them.
func words(err error) string {
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
		return refused.Output
	}
	return err.Error()
}
