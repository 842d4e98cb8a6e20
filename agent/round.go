package agent

import (
	"context"
	"time"

	"thalassa/haproxy"
	"thalassa/lb"
	"thalassa/plan"
)

// round brings HAProxy in step once. Whatever fails, HAProxy keeps what it ran.
func (r *reconciler) round(ctx context.Context) outcome {
	r.monitor.invalidate()
	r.checkStandby(ctx)
	t, err := r.desired(ctx)
	if err != nil {
		return r.fail(ctx, t, err)
	}
	if !r.running.isKnown() {
		return r.adopt(ctx, t)
	}
	change := r.difference(t)
	if r.running.failure == "" && t.template == r.running.template {
		switch {
		case change.Empty():
			t.file = r.running.file
			r.enter(t, r.running.fingerprint, pathNone)
			return t.outcome(pathNone, nil)
		case len(change.Reload) == 0 && !r.running.idle:
			return r.adjust(ctx, t, change)
		case r.mayDefer(t) && r.reloads.defers(change):
			return r.deferReload(ctx, t)
		}
	}
	return r.reload(ctx, t, change)
}

// adopt is the first round. A HAProxy that runs the wanted configuration but for the
// members in its slots is only adjusted; otherwise it is started or reloaded.
func (r *reconciler) adopt(ctx context.Context, t target) outcome {
	unknown := r.difference(t)
	state, err := r.cfg.HAProxy.State(ctx)
	if err != nil || !state.Running || r.running.awaitsReload() {
		return r.reload(ctx, t, unknown)
	}
	servers, err := r.cfg.Runtime.Servers(ctx)
	if err != nil {
		return r.reload(ctx, t, unknown)
	}
	t.config = plan.Layout(plan.SlotsIn(servers), t.config)
	rendered, err := r.renderer.of(t.template, t.config)
	if err != nil {
		return r.fail(ctx, t, err)
	}
	change := plan.Repair(t.config, servers).Change
	if rendered.Fingerprint != state.Fingerprint || len(change.Reload) > 0 {
		if rendered.Fingerprint == state.Fingerprint {
			r.running.requireReload(change.Reload)
		}
		return r.reload(ctx, t, unknown)
	}
	if change = change.Without(state.Lacks); len(change.Reload) > 0 {
		r.running.requireReload(change.Reload) // the file may be right, and the servers are not
		return r.reload(ctx, t, unknown)
	}
	r.running.expectFingerprint(state.Fingerprint)
	r.noteLacks(ctx, state)
	return r.adjust(ctx, t, change)
}

// adjust makes HAProxy run the target without a reload. Where that fails, HAProxy is
// reloaded after all.
func (r *reconciler) adjust(ctx context.Context, t target, change plan.Change) outcome {
	begin, path := time.Now(), pathNone
	if change.Servers > 0 {
		config, found, err := r.servers.apply(ctx, t.config, change)
		if err != nil {
			if ctx.Err() != nil {
				return outcome{err: ctx.Err()}
			}
			r.cfg.Logger.WarnContext(ctx, "change at run time failed, reloading haproxy", "error", err)
			t.fixed = fixedBy(t.fixed, err)
			r.running.requireReload(reasonsOf(err))
			change.Reload = append(change.Reload, r.running.reasons...)
			return r.reload(ctx, t, change)
		}
		t.config, path = config, pathRuntime
		r.servers.noteDrift(ctx, found)
	}
	if change.Certificates > 0 || !r.running.isKnown() && usesCertificates(t.config) {
		isFailed, out := r.serveCertificates(ctx, t, &change)
		if isFailed {
			return out
		}
		path = pathRuntime
	}
	before := *r.running
	r.enter(t, r.running.fingerprint, path)
	r.reporter.adjusted(ctx, before, t, change, time.Since(begin))
	return t.outcome(path, nil)
}

// serveCertificates gives the running HAProxy the certificates of a target. Where that fails,
// HAProxy is reloaded, unless the disk is at fault: then out is the outcome.
func (r *reconciler) serveCertificates(ctx context.Context, t target, change *plan.Change) (isFailed bool, out outcome) {
	if r.cfg.Certificates == nil {
		return false, outcome{}
	}
	var running *lb.Config
	if r.running.isKnown() {
		running = &r.running.config
	}
	if err := r.certificates.install(ctx, t); err != nil {
		return true, r.fail(ctx, t, err)
	}
	done, err := r.certificates.serve(ctx, running, t.config)
	if running == nil {
		change.AddCertificates(done)
	}
	switch {
	case err == nil:
		return false, outcome{}
	case ctx.Err() != nil:
		return true, outcome{err: ctx.Err()}
	}
	r.cfg.Logger.WarnContext(ctx, "change of certificates at run time failed, reloading haproxy", "error", err)
	r.running.requireReload(reasonsOf(err))
	change.Reload = append(change.Reload, r.running.reasons...)
	return true, r.reload(ctx, t, *change)
}

// reload makes HAProxy run the target with a new worker, at the configured rate.
func (r *reconciler) reload(ctx context.Context, t target, change plan.Change) outcome {
	if !r.running.idle {
		done := r.beat.Step("the wait until HAProxy may be reloaded", 2*(r.cfg.ReloadEvery+maxSlowdown))
		waited, err := r.reloads.rate.wait(ctx)
		if err != nil {
			return outcome{err: err}
		}
		slowed, err := r.slowdown.wait(ctx)
		done()
		if err != nil {
			return outcome{err: err}
		}
		if waited || slowed { // the world has moved on meanwhile
			if t, err = r.desired(ctx); err != nil {
				return r.fail(ctx, t, err)
			}
			change = r.difference(t)
		}
	}
	out, err := r.apply(ctx, t)
	if isTooLarge(err) {
		if smaller, isSmaller := r.dropSpares(ctx, t); isSmaller {
			return r.reloadWithoutSpares(ctx, smaller, err)
		}
	}
	if err != nil {
		return r.fail(ctx, t, err)
	}
	return r.finishReload(ctx, t, change, out)
}

// An application is what became of a configuration that HAProxy was given.
type application struct {
	haproxy.Outcome
	fingerprint string // of the configuration
}

func (a application) path() string {
	if a.Reloaded || a.Started {
		return pathReload
	}
	return pathNone
}

// apply brings HAProxy to the target.
func (r *reconciler) apply(ctx context.Context, t target) (application, error) {
	rendered, err := r.renderer.of(t.template, t.config)
	if err == nil {
		err = r.inputs.files.put(ctx, t.config)
	}
	if err != nil {
		return application{}, err
	}
	fingerprint := rendered.Fingerprint
	if r.running.awaitsReload() {
		fingerprint = "" // HAProxy may show the right one, and needs a reload nevertheless
	}
	done := r.beat.Step("a reload or start of HAProxy", 2*r.cfg.LongestChange)
	out, err := r.cfg.HAProxy.Apply(ctx, rendered.Bytes, fingerprint)
	done()
	return application{Outcome: out, fingerprint: rendered.Fingerprint}, err
}

func (r *reconciler) finishReload(ctx context.Context, t target, change plan.Change, out application) outcome {
	before := *r.running
	r.running.setIdle(out.Idle)
	r.enter(t, r.readFingerprint(ctx, out.fingerprint), out.path())
	r.reporter.applied(ctx, before, t, change, out)
	return t.outcome(out.path(), nil)
}

// readFingerprint is what HAProxy shows from now on: nothing when the template does not
// write it. What the new worker lacks is noted as well.
func (r *reconciler) readFingerprint(ctx context.Context, fingerprint string) string {
	state, err := r.cfg.HAProxy.State(ctx)
	if err != nil || !state.Answers {
		return fingerprint
	}
	r.noteLacks(ctx, state)
	if state.Fingerprint == "" {
		return ""
	}
	return fingerprint
}

// noteLacks notes what HAProxy lacks for changes at run time.
func (r *reconciler) noteLacks(ctx context.Context, state haproxy.State) {
	if state.Lacks != r.running.lacks {
		r.cfg.Logger.WarnContext(ctx, "haproxy lacks features for changes without a reload", "lacks", state.Lacks, "before", r.running.lacks)
	}
	r.running.setLacks(state.Lacks)
}

// enter notes that HAProxy runs the target, or is to start with it, by which path it
// got it, and the fingerprint that it shows.
func (r *reconciler) enter(t target, fingerprint, path string) {
	now := t.effective
	if now.file == 0 {
		now.file = r.running.nextFile()
	}
	var isNew bool
	if now.origin, isNew = r.reporter.origin(*r.running, t, path); isNew {
		r.persister.archive.add(&now)
	}
	r.running.enter(&now, fingerprint)
	r.reloads.clear()
	r.reporter.freshness(t.snapshot)
	r.inStep.set()
}

// fail notes a failure once, however often it repeats. A refusal counts, and is
// reported to the change that waits for it, also when the agent is stopping.
func (r *reconciler) fail(ctx context.Context, t target, err error) outcome {
	if ctx.Err() != nil && !isRefusal(err) {
		return outcome{err: ctx.Err()}
	}
	switch {
	case !isRefusal(err):
	case !r.running.isKnown():
		r.servers.updateInherited(ctx, t)
	default:
		r.servers.update(ctx, t.snapshot)
	}
	if r.running.fail(err) {
		r.reporter.failed(ctx, *r.running, t, err)
	}
	r.running.dealWith(t.snapshot)
	r.reporter.freshness(t.snapshot)
	return t.outcome(pathNone, err)
}
