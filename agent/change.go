package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"thalassa/lb"
	"thalassa/plan"
)

// settleTime bounds the wait for an accepted change. One that takes longer is answered as
// accepted and not yet in effect.
const settleTime = 30 * time.Second

// changes carries out what operators ask for, one change at a time. Its methods may be
// called from any goroutine.
type changes struct {
	cfg       *Config
	inputs    *inputs
	interest  *interest
	lines     *lineWarnings
	earlier   *earlierRun
	renderer  *renderer
	templates *templateFile
	current   *atomic.Pointer[effective] // what HAProxy runs
	outcomes  *outcomes
	reverter  *reverter
	persister *persister
	lock      *changeLock
}

// edit carries out one change of a frontend or backend and returns when it is in effect.
func (c *changes) edit(ctx context.Context, e lb.Edit) (lb.Applied, error) {
	if e.Backend != nil && e.Backend.Type == "dynamic" {
		// With its members known, the first configuration with the backend has them.
		defer c.interest.borrow(e.Backend.Service)()
		c.inputs.awaitAnswer(ctx, e.Backend.Service, c.cfg.FirstAnswer)
	}
	refused, doubt := c.lines.check(e)
	if refused != nil {
		return lb.Applied{}, refused
	}
	base := uint64(0)
	var unknown error
	applied, err := c.change(ctx, e.Origin, doubt, func(in lb.Intent) (lb.Intent, error) {
		base = in.Revision
		if err := c.inputs.control().Check(e); err != nil {
			return lb.Intent{}, err
		}
		next, err := in.Apply(e)
		unknown = next.UnknownTargets(e)
		return next, err
	})
	if unknown != nil && isRefusal(err) {
		err = unknown // it names the field, and HAProxy a line
	}
	if err == nil && applied.Revision > base {
		c.cfg.Journal.Note(editedEvent(e, applied))
		c.persister.wake()
	}
	return applied, err
}

// change makes one new revision out of the newest: it edits the intent, has HAProxy check
// the result, commits it and waits for it. A revision that HAProxy cannot start is
// reverted by another revision. A doubt, unless nil, is the error for a result that
// HAProxy does not refuse.
func (c *changes) change(ctx context.Context, by lb.Origin, doubt error, edit func(lb.Intent) (lb.Intent, error)) (lb.Applied, error) {
	begin := c.cfg.Now()
	if err := c.lock.lock(ctx); err != nil {
		return lb.Applied{}, err
	}
	defer c.lock.unlock()
	before, err := c.inputs.intent(ctx)
	if err != nil {
		return lb.Applied{}, err
	}
	next, err := edit(before)
	if err != nil {
		return lb.Applied{}, err
	}
	if err := cmp.Or(c.check(ctx, next), doubt); err != nil {
		return lb.Applied{}, err
	}
	defer c.interest.borrow(before.Services()...)() // for going back
	expected := c.outcomes.expect(expectation{revision: before.Revision + 1, by: by})
	defer c.outcomes.forget(expected)
	rev, err := c.cfg.Intents.Commit(ctx, before.Revision, next, by)
	if err != nil {
		return lb.Applied{}, fmt.Errorf("storing the change: %w", err)
	}
	// The change is stored: it is completed even if the caller goes away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	out, err := c.takeEffect(ctx, before, next, rev, expected)
	if err != nil {
		return lb.Applied{}, err
	}
	applied := lb.Applied{Applied: out.err == nil, Path: out.path, Duration: c.cfg.Now().Sub(begin), Revision: rev.Number}
	if out.err != nil {
		applied.Path, applied.Reason = pathNone, out.err.Error()
	}
	return applied, nil
}

// takeEffect waits until a revision that was stored is in effect. One that HAProxy cannot
// start is reverted, and the error is the refusal.
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

// standing is the outcome for a revision that is stored already: a change that changes
// nothing is in effect only if that revision is.
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

// check renders the candidate and has HAProxy check it before anything is stored. The
// round takes the same text, unless members change in between.
func (c *changes) check(ctx context.Context, next lb.Intent) error {
	snap := c.inputs.snapshot()
	inherited, err := c.earlier.members(ctx, next, snap)
	if err != nil {
		return err
	}
	now := c.current.Load()
	next.Revision++ // it is another one, whatever it will be called
	config := inheritMembers(now.resolve(next, snap, processWith(c.cfg, c.templates.current()), c.inputs.control()), inherited)
	if now != nil && len(plan.Compute(&now.config, config).Reload) == 0 {
		return nil // only members change, for which HAProxy needs no new file
	}
	rendered, err := c.renderer.of(c.templates.current(), config)
	if err != nil {
		return err
	}
	return c.cfg.HAProxy.Check(ctx, rendered.Bytes)
}
