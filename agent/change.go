package agent

import (
	"cmp"
	"context"
	"errors"
	"sync/atomic"
	"time"

	"thalassa/internal/batch"
	"thalassa/lb"
	"thalassa/plan"
)

// settleTime bounds the wait for an accepted change. One that takes longer is answered as
// accepted and not yet in effect.
const settleTime = 30 * time.Second

// changes carries out what operators ask for, one change at a time. Its methods may be
// called from any goroutine.
type changes struct {
	cfg        *Config
	inputs     *inputs
	interest   *interest
	lines      *lineWarnings
	unresolved *unresolved
	local      *localUses
	earlier    *earlierRun
	renderer   *renderer
	templates  *templateFile
	current    *atomic.Pointer[effective] // what HAProxy runs
	outcomes   *outcomes
	reverter   *reverter
	persister  *persister
	lock       *changeLock
	renewals   *renewals
	reloads    *reloadRate
	queue      batch.Queue[*pendingChange] // that wait for a reload
	leading    chan struct{}               // full while somebody gathers and checks what is in the queue
	proving    chan struct{}               // has a value for each change that is checked alone
}

// change makes one new revision out of the newest: it edits the intent, has HAProxy check
// the result, commits it and waits for it. A revision that HAProxy cannot start is
// reverted by another revision. A doubt, unless nil, is the error for a result that
// HAProxy does not refuse.
//
// A change that needs no reload is carried out at once. The others are collected, and share a check
// and a reload.
func (c *changes) change(ctx context.Context, by lb.Origin, doubt error, edit func(lb.Intent) (lb.Intent, error)) (lb.Applied, error) {
	p := &pendingChange{ctx: ctx, by: by, begin: c.cfg.Now(), edit: edit, done: make(chan answer, 1)}
	if doubt != nil {
		return lb.Applied{}, cmp.Or(c.checkAlone(p), doubt)
	}
	if c.mayAvoidReload(p) {
		applied, isDone, err := c.avoidReload(p)
		if isDone {
			return applied, err
		}
	}
	return c.share(p)
}

// mayAvoidReload reports whether a change concerns nothing but which members backends
// have, and certificates.
func (c *changes) mayAvoidReload(p *pendingChange) bool {
	before, next, err := c.edited(p)
	return err == nil && before.MayDifferAtRuntime(next)
}

// edited is the newest intent before and after a change.
func (c *changes) edited(p *pendingChange) (before, next lb.Intent, err error) {
	if before, err = c.inputs.intent(p.ctx); err != nil {
		return before, lb.Intent{}, err
	}
	next, err = p.permitted(before)
	return before, next, err
}

// avoidReload carries out a change that needs no reload. isDone is false for any other,
// of which nothing has been done.
func (c *changes) avoidReload(p *pendingChange) (applied lb.Applied, isDone bool, err error) {
	if err := c.lock.lock(p.ctx); err != nil {
		return lb.Applied{}, true, err
	}
	defer c.lock.unlock()
	before, next, err := c.edited(p)
	if err != nil {
		return lb.Applied{}, true, err
	}
	candidate, err := c.candidate(p.ctx, next)
	if err != nil {
		return lb.Applied{}, true, err
	}
	if c.needsReload(candidate) {
		return lb.Applied{}, false, nil
	}
	if err := c.inputs.files.put(p.ctx, candidate); err != nil {
		return lb.Applied{}, true, err
	}
	c.carryOut(p.ctx, before, []*pendingChange{p}, []lb.Proposal{{Intent: next, Origin: p.by}})
	a := <-p.done
	return a.applied, true, a.err
}

// takeEffect waits until revisions that were stored are in effect; rev is the last of
// them. Those that HAProxy cannot start are reverted, and the error is the refusal.
func (c *changes) takeEffect(ctx context.Context, before, next lb.Intent, rev lb.Revision, expected *expectation) (outcome, error) {
	if rev.Number == before.Revision {
		return c.standing(ctx, rev), nil
	}
	next.Revision = rev.Number
	c.interest.require(next)
	c.reverter.watch(&unconfirmed{rev: rev, before: before})
	out := c.outcomes.await(ctx, expected)
	if refused, ok := errors.AsType[*lb.RefusedError](out.err); ok {
		return outcome{}, c.reverter.revert(ctx, before, rev, refused)
	}
	if out.err == nil {
		c.reverter.confirm() // that round may have been before the watch
	}
	return out, nil
}

// standing is the outcome for a revision that is stored already: a change without effect is in
// effect only if that revision is.
func (c *changes) standing(ctx context.Context, rev lb.Revision) outcome {
	out := c.outcomes.latest()
	if out.revision < rev.Number { // no round has looked at it, as right after the start
		expected := c.outcomes.expect(expectation{revision: rev.Number, by: rev.Origin})
		defer c.outcomes.forget(expected)
		out = c.outcomes.await(ctx, expected)
	}
	out.path = pathNone
	return out
}

// candidate is what HAProxy is to run with an intent that is not stored yet. The round
// takes the same, unless members change in between.
func (c *changes) candidate(ctx context.Context, next lb.Intent) (lb.Config, error) {
	return c.candidateWith(ctx, next, nil)
}

// candidateWith is candidate where some texts of certificates are on trial.
func (c *changes) candidateWith(ctx context.Context, next lb.Intent, trial map[string][]byte) (lb.Config, error) {
	snap := c.inputs.snapshot()
	inherited, err := c.earlier.members(ctx, next, snap)
	if err != nil {
		return lb.Config{}, err
	}
	next.Revision++ // it is another one, whatever it will be called
	now, tuning := c.current.Load(), c.cfg.tuned()
	config := inheritMembers(now.resolve(c.inputs.files.availableWith(next, trial), snap, tuning.processWith(c.cfg, c.templates.current()), c.inputs.control()), inherited)
	return limitServers(tuning.MaxServers, now.slots(), config)
}

// needsReload reports whether HAProxy needs a new file for a candidate.
func (c *changes) needsReload(candidate lb.Config) bool {
	now := c.current.Load()
	if now == nil {
		return true
	}
	change := plan.Compute(&now.config, candidate)
	return len(change.Reload) > 0 || now.fixesLines(candidate, change) != ""
}

// check renders the candidate for an intent and makes HAProxy check it before anything is
// stored.
func (c *changes) check(ctx context.Context, next lb.Intent) (lb.Config, error) {
	candidate, err := c.candidate(ctx, next)
	if err != nil || !c.needsReload(candidate) {
		return candidate, err
	}
	_, err = c.checkText(ctx, candidate)
	return candidate, err
}

// checkText renders a candidate and makes HAProxy check the text.
func (c *changes) checkText(ctx context.Context, candidate lb.Config) ([]byte, error) {
	rendered, err := c.renderer.of(c.templates.current(), candidate)
	if err == nil {
		err = c.inputs.files.put(ctx, candidate)
	}
	if err != nil {
		return nil, err
	}
	return rendered.Bytes, c.cfg.HAProxy.Check(ctx, rendered.Bytes)
}

// checkAlone checks a change as if it were the only one. Nothing is stored.
func (c *changes) checkAlone(p *pendingChange) error {
	_, next, err := c.edited(p)
	if err != nil {
		return err
	}
	_, err = c.check(p.ctx, next)
	return err
}
