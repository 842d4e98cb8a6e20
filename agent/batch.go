package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"thalassa/lb"
	"thalassa/plan"
)

const (
	// maxShared is the maximum number of changes that share a reload.
	maxShared = 256
	// slowCheck is how long a check may hold up the changes that come after it.
	slowCheck = time.Second
	// aloneChecks is how many changes are checked alone at the same time.
	aloneChecks = 4
)

// share carries out a change together with those that wait at the same time.
func (c *changes) share(p *pendingChange) (lb.Applied, error) {
	for {
		c.queue.Add(p)
		a := c.await(p)
		if a.isEarly {
			continue
		}
		if !a.isOpen || p.isProven {
			return a.applied, a.err
		}
		if err := c.prove(p); err != nil {
			return lb.Applied{}, err
		}
	}
}

// await waits for the answer to a change in the queue. While nobody carries out what is in
// it, this change does.
func (c *changes) await(p *pendingChange) answer {
	leading := c.leading
	for {
		select {
		case a := <-p.done:
			return a
		case leading <- struct{}{}:
			c.carryOutWaiting(p.ctx)
			if !c.queue.Has(p) {
				leading = nil // this change is being carried out
			}
			continue
		case <-p.ctx.Done():
		case <-c.lock.ended.done:
		}
		switch {
		case !c.queue.Remove(p): // it is being carried out
			return <-p.done
		case p.ctx.Err() != nil:
			return answer{err: context.Cause(p.ctx)}
		}
		return answer{err: &lb.UnavailableError{What: stopping}}
	}
}

// prove makes HAProxy check a change alone.
func (c *changes) prove(p *pendingChange) error {
	select {
	case c.proving <- struct{}{}:
		defer func() { <-c.proving }()
	case <-p.ctx.Done():
		return context.Cause(p.ctx)
	}
	p.isProven = true
	return c.checkAlone(p)
}

// carryOutWaiting carries out the changes that wait. It waits until HAProxy may be
// reloaded before it takes them. A slow check does not hold up those that come later.
func (c *changes) carryOutWaiting(ctx context.Context) {
	release := sync.OnceFunc(func() { <-c.leading })
	defer release()
	ctx = context.WithoutCancel(ctx) // the others wait, too
	c.reloads.awaitAllowed(ctx)
	batch := c.queue.Take(maxShared)
	base, err := c.inputs.intent(ctx)
	if err != nil {
		failAll(batch, err)
		return
	}
	defer time.AfterFunc(slowCheck, release).Stop()
	candidate, accepted := c.accepted(ctx, base, base, batch)
	if len(accepted) > 0 {
		c.commit(ctx, base.Revision, candidate, accepted)
	}
}

// accepted returns the changes that HAProxy accepts, one on top of the other, and what it should
// run with all of them. The others are answered. base is what is stored, with changes that were
// accepted already.
func (c *changes) accepted(ctx context.Context, stored, base lb.Intent, batch []*pendingChange) (lb.Config, []*pendingChange) {
	kept, proposals := compose(stored, base, batch)
	if len(kept) == 0 {
		return lb.Config{}, nil
	}
	candidate, err := c.check(ctx, proposals[len(proposals)-1].Intent)
	switch {
	case err == nil:
		return candidate, kept
	case len(kept) == 1:
		kept[0].fail(err)
		return lb.Config{}, nil
	case !isRefusal(err): // it says nothing about any of them
		leaveOpen(kept, err)
		return lb.Config{}, nil
	}
	first, left := c.accepted(ctx, stored, base, kept[:len(kept)/2])
	_, proposals = compose(stored, base, left)
	if len(proposals) > 0 {
		base = proposals[len(proposals)-1].Intent
	}
	second, right := c.accepted(ctx, stored, base, kept[len(kept)/2:])
	if len(right) == 0 {
		return first, left
	}
	return second, slices.Concat(left, right)
}

// compose edits an intent by one change after the other. It answers those that do not
// apply, those that nobody waits for any more, and those whose callers have lost the right.
// A change that applies to the stored intent, and not after those before it, has to wait
// for what becomes of them: they are not stored yet.
func compose(stored, in lb.Intent, batch []*pendingChange) (kept []*pendingChange, proposals []lb.Proposal) {
	for _, p := range batch {
		if p.ctx.Err() != nil {
			p.fail(context.Cause(p.ctx))
			continue
		}
		next, err := p.permitted(in)
		if err != nil {
			_, err = p.permitted(stored)
			p.done <- answer{err: err, isEarly: err == nil}
			continue
		}
		in = next
		kept = append(kept, p)
		proposals = append(proposals, lb.Proposal{Intent: next, Origin: p.by})
	}
	return kept, proposals
}

// commit stores changes that HAProxy has accepted on top of a revision. Where something was
// changed since, they are checked again unless only members differ.
func (c *changes) commit(ctx context.Context, base uint64, checked lb.Config, batch []*pendingChange) {
	if err := c.lock.lock(ctx); err != nil {
		failAll(batch, err)
		return
	}
	defer c.lock.unlock()
	before, err := c.inputs.intent(ctx)
	if err != nil {
		failAll(batch, err)
		return
	}
	kept, proposals := compose(before, before, batch)
	if len(kept) == 0 {
		return
	}
	if before.Revision != base {
		if err := c.checkAgain(ctx, checked, proposals[len(proposals)-1].Intent); err != nil {
			leaveOpen(kept, err)
			return
		}
	}
	c.carryOut(ctx, before, kept, proposals)
}

// checkAgain checks an intent unless what was checked differs from it in members only.
func (c *changes) checkAgain(ctx context.Context, checked lb.Config, next lb.Intent) error {
	candidate, err := c.candidate(ctx, next)
	if err != nil || len(plan.Compute(&checked, candidate).Reload) == 0 {
		return err
	}
	_, err = c.check(ctx, next)
	return err
}

// carryOut stores the proposals of changes, waits until they are in effect, and answers
// them. The caller holds the lock.
func (c *changes) carryOut(ctx context.Context, before lb.Intent, batch []*pendingChange, proposals []lb.Proposal) {
	defer c.interest.borrow(before.Services()...)() // for going back
	expected := c.outcomes.expect(expectation{
		revision: before.Revision + 1, last: before.Revision + uint64(len(batch)), by: originOf(proposals),
	})
	defer c.outcomes.forget(expected)
	revs, err := c.cfg.Intents.CommitAll(ctx, before.Revision, proposals)
	if err != nil {
		failAll(batch, fmt.Errorf("storing the change: %w", err))
		return
	}
	// The changes are stored: they are completed even if the callers go away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	last := len(batch) - 1
	out, err := c.takeEffect(ctx, before, proposals[last].Intent, revs[last], expected)
	switch {
	case err == nil:
		c.answer(batch, before.Revision, revs, out)
	case last == 0:
		batch[0].fail(err)
	default:
		c.carryOutAnew(context.WithoutCancel(ctx), batch[:len(batch)/2])
		c.carryOutAnew(context.WithoutCancel(ctx), batch[len(batch)/2:])
	}
}

// carryOutAnew carries out again a part of the changes with which HAProxy could not start.
func (c *changes) carryOutAnew(ctx context.Context, part []*pendingChange) {
	before, err := c.inputs.intent(ctx)
	if err != nil {
		failAll(part, err)
		return
	}
	if kept, proposals := compose(before, before, part); len(kept) > 0 {
		c.carryOut(ctx, before, kept, proposals)
	}
}

// answer gives each change the result of its revision.
func (c *changes) answer(batch []*pendingChange, base uint64, revs []lb.Revision, out outcome) {
	for i, p := range batch {
		applied := lb.Applied{Applied: out.err == nil, Path: out.path, Duration: c.cfg.Now().Sub(p.begin), Revision: revs[i].Number}
		if revs[i].Number == base || out.err != nil {
			applied.Path = pathNone
		}
		if out.err != nil {
			applied.Reason = out.err.Error()
		}
		base = revs[i].Number
		p.done <- answer{applied: applied}
	}
}

func failAll(batch []*pendingChange, err error) {
	for _, p := range batch {
		p.fail(err)
	}
}

// leaveOpen tells changes that were checked together that each has to be checked alone.
func leaveOpen(batch []*pendingChange, err error) {
	for _, p := range batch {
		p.done <- answer{err: err, isOpen: true}
	}
}

// originOf is the origin of several changes that take effect together.
func originOf(proposals []lb.Proposal) lb.Origin {
	by := proposals[0].Origin
	if len(proposals) == 1 {
		return by
	}
	causes := make([]string, len(proposals))
	for i, p := range proposals {
		causes[i] = p.Origin.Cause
		if p.Origin.Author != by.Author {
			by.Author = "several"
		}
		if p.Origin.Time.Before(by.Time) {
			by.Time = p.Origin.Time
		}
	}
	by.Cause = enumerate(causes)
	return by
}
