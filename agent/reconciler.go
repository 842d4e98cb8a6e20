package agent

import (
	"context"
	"errors"
	"time"

	"thalassa/internal/heartbeat"
	"thalassa/internal/wake"
	"thalassa/plan"
)

const (
	firstRetry = time.Second
	lastRetry  = 30 * time.Second
	// firstAnswers is how long the first round waits for Consul's first answers. Consul answers
	// within milliseconds or not at all.
	firstAnswers    = 500 * time.Millisecond
	allFirstAnswers = 10 * firstAnswers
	// roundTime is how long a round takes at most beside what HAProxy needs. With 50,000
	// servers it takes seconds.
	roundTime = 30 * time.Second
)

// A reconciler is the loop that keeps HAProxy in step: it owns what runs. Everything in
// it belongs to the goroutine of run.
type reconciler struct {
	cfg       *Config
	inputs    *inputs
	templates *templateFile
	earlier   *earlierRun
	renderer  *renderer
	outcomes  *outcomes
	reverter  *reverter
	persister *persister
	reporter  *reporter
	warnings  *controlWarnings

	look      wake.Poke // look again now
	restarted wake.Poke // HAProxy was started again
	renewals  *renewals
	renewed   uint64 // the last of them that was dealt with
	inStep    *latch
	beat      *heartbeat.Beat

	running      *running
	servers      *serverUpdater
	certificates *certificateUpdater
	monitor      *driftMonitor
	reloads      *reloadSchedule
	slowdown     *slowdown
	retry        retry
	settled      time.Time // when the loop acted on a change in Consul last
}

// A retry is the timer of the next round when nothing else asks for one.
type retry struct {
	timer   *time.Timer
	backoff time.Duration
}

// after sets the timer after a round that failed or succeeded; due is when a reload that
// was deferred is due, or zero.
func (r *retry) after(err error, due time.Time) {
	r.timer.Stop()
	switch {
	case err != nil:
		r.timer.Reset(r.backoff)
		r.backoff = min(2*r.backoff, lastRetry)
		return
	case !due.IsZero():
		r.timer.Reset(time.Until(due))
	}
	r.backoff = firstRetry
}

// run runs a round whenever something may have changed, until ctx ends.
func (r *reconciler) run(ctx context.Context) error {
	r.retry = retry{timer: time.NewTimer(0), backoff: firstRetry}
	r.monitor.start()
	defer r.retry.timer.Stop()
	defer r.monitor.stop()
	defer r.beat.Idle()
	defer r.reverter.late.Wait()
	r.beat.Busy("the wait for Consul's first answers", allFirstAnswers+roundTime)
	r.awaitConsul(ctx)
	for {
		r.beat.Idle()
		out, ok := r.next(ctx)
		if ctx.Err() != nil && (!ok || errors.Is(out.err, ctx.Err())) {
			return nil // this round has dealt with nothing
		}
		if !ok {
			continue
		}
		out.inEffect, out.renewal = r.running.revision, r.renewed
		if r.outcomes.isRefusedRenewal(out) {
			r.running.withdrawReload()
			r.look.Send()
		}
		u := r.reverter.refusedBy(out) // before a change learns of it, and watches it again
		if isExpected := r.outcomes.report(out); u != nil && !isExpected {
			r.reverter.revertLate(ctx, u, out.err)
		}
		if ctx.Err() != nil {
			return nil
		}
		r.persister.wake()
		r.monitor.hasten()
		r.retry.after(out.err, r.reloads.due)
	}
}

// next waits until something may have changed and deals with it. ok is false where that
// changed nothing.
func (r *reconciler) next(ctx context.Context) (out outcome, ok bool) {
	select {
	case <-ctx.Done():
		return outcome{}, false
	case <-r.monitor.timer.C:
		r.beat.Busy("a look at HAProxy", roundTime)
		return r.outcomes.latest(), r.monitor.begin(ctx)
	case o := <-r.monitor.observed:
		r.beat.Busy("a repair of HAProxy", roundTime)
		return r.outcomes.latest(), r.monitor.finish(ctx, o)
	case <-r.restarted:
		r.beat.Busy("a look at a HAProxy that was started again", roundTime)
		r.running.allowSpares()
		r.monitor.invalidate()
		r.monitor.check(ctx)
	case <-r.renewals.poke:
		r.rereadFiles()
	case <-r.look:
	case <-r.cfg.ControlChanged:
		r.inputs.broadcast()
	case <-r.retry.timer.C:
	case <-r.cfg.Source.Changed():
		r.inputs.broadcast()
		r.settle(ctx)
		r.settled = time.Now()
	}
	r.beat.Busy("a round", roundTime)
	return r.round(ctx), true
}

// rereadFiles makes the next round reload HAProxy, if it runs here, though its
// configuration is the same.
func (r *reconciler) rereadFiles() {
	r.renewed = r.renewals.number.Load()
	if !r.running.idle {
		r.running.requireReload([]plan.Reason{{Object: "process", What: "files renewed"}})
	}
}

// awaitConsul gives Consul a moment for its first answers, and more as long as they keep
// coming, so that HAProxy starts with its members.
func (r *reconciler) awaitConsul(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, allFirstAnswers)
	defer cancel()
	timer := time.NewTimer(firstAnswers)
	defer timer.Stop()
	in, err := r.inputs.intentSoon(ctx)
	if err != nil {
		return // the first round reports it
	}
	for len(unanswered(in, r.inputs.snapshot())) > 0 {
		select {
		case <-r.cfg.Source.Changed():
			r.inputs.changed.Broadcast()
			timer.Reset(firstAnswers)
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// settle lets a burst of discovery changes pass, so that it costs one round. The first
// change after a pause does not wait: what follows it is gathered while its round runs.
// An operator's change that waits for a round ends the wait early.
func (r *reconciler) settle(ctx context.Context) {
	if time.Since(r.settled) > r.cfg.MaxSettle {
		return
	}
	deadline := time.NewTimer(r.cfg.MaxSettle)
	defer deadline.Stop()
	quiet := time.NewTimer(r.cfg.Quiet)
	defer quiet.Stop()
	for {
		select {
		case <-r.cfg.Source.Changed():
			r.inputs.changed.Broadcast()
			quiet.Reset(r.cfg.Quiet)
		case <-r.look:
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
