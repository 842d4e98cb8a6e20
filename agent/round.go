package agent

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"strings"
	"time"

	"thalassa/lb"
	"thalassa/plan"
	"thalassa/template"
)

// The paths a round can take.
const (
	pathNone   = "none"
	pathReload = "reload"
)

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// firstMoment is what Consul gets for its first answers before the first
	// round; Consul answers within milliseconds or not at all.
	firstMoment = 500 * time.Millisecond
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
	config   *lb.Config // nil: not known yet
	bytes    []byte
	revision uint64
	snapshot lb.Snapshot // the members came from
	failure  string      // of the last round, to tell a transition from a repetition
}

// target is what a round wants HAProxy to run.
type target struct {
	intent   lb.Intent
	snapshot lb.Snapshot
	template *template.Template
	config   lb.Config
	rendered template.Rendered
}

// loop runs a round whenever something may have changed, until ctx ends.
func (a *Agent) loop(ctx context.Context) error {
	retry := time.NewTimer(0)
	defer retry.Stop()
	backoff := firstRetry
	a.awaitConsul(ctx)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.poke:
		case <-retry.C:
		case <-a.cfg.Source.Changed():
			a.sources.Broadcast()
			a.settle(ctx)
		}
		out := a.round(ctx)
		if ctx.Err() != nil {
			return nil
		}
		out.inEffect = a.running.revision
		a.report(out)
		retry.Stop()
		if out.err == nil {
			backoff = firstRetry
			continue
		}
		retry.Reset(backoff)
		backoff = min(2*backoff, lastRetry)
	}
}

// awaitConsul gives Consul a moment for its first answers, so that a HAProxy that
// is to be started starts with its members.
func (a *Agent) awaitConsul(ctx context.Context) {
	patience := time.NewTimer(firstMoment)
	defer patience.Stop()
	in, err := a.Intent(ctx)
	if err != nil {
		return // the first round will say so
	}
	for len(unanswered(in, a.Snapshot())) > 0 {
		select {
		case <-a.cfg.Source.Changed():
			a.sources.Broadcast()
		case <-patience.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// settle lets a burst of discovery changes pass, so that it costs one round.
// Somebody who waits for a round ends it early.
func (a *Agent) settle(ctx context.Context) {
	deadline := time.NewTimer(a.cfg.MaxSettle)
	defer deadline.Stop()
	quiet := time.NewTimer(a.cfg.Quiet)
	defer quiet.Stop()
	for {
		select {
		case <-a.cfg.Source.Changed():
			a.sources.Broadcast()
			quiet.Reset(a.cfg.Quiet)
		case <-a.poke:
			return
		case <-quiet.C:
			return
		case <-deadline.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// report hands the outcome to whoever waits for it.
func (a *Agent) report(out outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = out
	if a.pending != nil && a.pending.meets(out) {
		a.pending.done <- out // one slot, and only this sends
		a.pending = nil
	}
}

func (a *Agent) lastOutcome() outcome {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// round brings HAProxy in step once. Whatever fails leaves HAProxy running what
// it ran.
func (a *Agent) round(ctx context.Context) outcome {
	t, err := a.aim(ctx)
	if err != nil {
		return a.failed(ctx, t, err)
	}
	if a.running.config != nil && bytes.Equal(t.rendered.Bytes, a.running.bytes) && a.running.failure == "" {
		a.remember(ctx, t)
		return t.outcome(pathNone, nil)
	}
	if !a.limiter.Allow() {
		if err := a.limiter.Wait(ctx); err != nil {
			return outcome{err: err}
		}
		if t, err = a.aim(ctx); err != nil { // the world has moved on meanwhile
			return a.failed(ctx, t, err)
		}
	}
	return a.apply(ctx, t)
}

// aim works out what HAProxy is to run now. On an error the target still tells
// the revision.
func (a *Agent) aim(ctx context.Context) (target, error) {
	t := target{template: a.template.current()}
	var err error
	if t.intent, err = a.Intent(ctx); err != nil {
		return t, err
	}
	t.snapshot = a.Snapshot()
	if err := a.mayApply(ctx, t.intent, t.snapshot); err != nil {
		return t, err
	}
	t.config = lb.Resolve(t.intent, t.snapshot, a.cfg.Process)
	t.rendered, err = t.template.Render(t.config)
	return t, err
}

// mayApply forbids a round that would empty backends only because Consul has
// not answered since the agent started: a HAProxy adopted from an earlier run,
// or started again with the file of that, keeps its members until then.
func (a *Agent) mayApply(ctx context.Context, in lb.Intent, snap lb.Snapshot) error {
	unknown := unanswered(in, snap)
	if len(unknown) == 0 || a.wasInStep() {
		return nil
	}
	if !a.keepsMembers(ctx) {
		return nil
	}
	names := make([]string, len(unknown))
	for i, n := range unknown {
		names[i] = string(n)
	}
	return &lb.UnavailableError{What: "HAProxy keeps the members it has until Consul has answered about " + strings.Join(names, ", ")}
}

// keepsMembers reports whether HAProxy runs with members of an earlier run.
func (a *Agent) keepsMembers(ctx context.Context) bool {
	state, err := a.cfg.HAProxy.State(ctx)
	if err != nil {
		return false
	}
	if state.Running || a.cfg.Resume == nil {
		return state.Running
	}
	err = a.cfg.Resume(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.cfg.Logger.WarnContext(ctx, "haproxy not started with the configuration of the last run", "error", err)
	}
	return err == nil
}

// apply makes HAProxy run the target.
func (a *Agent) apply(ctx context.Context, t target) outcome {
	change := plan.Compute(a.running.config, t.config)
	out, err := a.cfg.HAProxy.Apply(ctx, t.rendered.Bytes, t.rendered.Fingerprint)
	if err != nil {
		return a.failed(ctx, t, err)
	}
	path := pathReload
	if !out.Reloaded && !out.Started {
		path = pathNone
	}
	before := a.running
	a.running = running{config: &t.config, bytes: t.rendered.Bytes, revision: t.intent.Revision, snapshot: before.snapshot}
	if !a.wasInStep() {
		close(a.inStep)
	}
	a.recordApplied(ctx, before, t, change, out)
	a.remember(ctx, t)
	return t.outcome(path, nil)
}

// remember keeps the snapshot for a start without Consul; what is kept already
// costs nothing.
func (a *Agent) remember(ctx context.Context, t target) {
	a.running.revision = t.intent.Revision
	a.recordFreshness(ctx, t.snapshot)
	a.running.snapshot = t.snapshot
	if err := a.cfg.Memory.SaveSnapshot(ctx, t.snapshot); err != nil && ctx.Err() == nil {
		a.cfg.Logger.WarnContext(ctx, "members not stored for a start without consul", "error", err)
	}
}

// failed records a failure once, however often it repeats.
func (a *Agent) failed(ctx context.Context, t target, err error) outcome {
	if ctx.Err() != nil {
		return outcome{err: ctx.Err()}
	}
	if err.Error() != a.running.failure {
		a.running.failure = err.Error()
		a.recordFailed(ctx, t, err)
	}
	a.recordFreshness(ctx, t.snapshot)
	return t.outcome(pathNone, err)
}

func (t target) outcome(path string, err error) outcome {
	return outcome{revision: t.intent.Revision, template: t.template, path: path, err: err}
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
