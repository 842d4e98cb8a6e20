package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"thalassa/activity"
	"thalassa/lb"
)

// An unconfirmed revision is one that HAProxy has neither accepted nor refused yet.
type unconfirmed struct {
	rev    lb.Revision
	before lb.Intent // what was asked for before it
	failed bool      // it was refused, and could not be reverted
}

// A reverter reverts revisions that HAProxy refuses, also when the change that made them
// does not wait any more. Its methods may be called from any goroutine.
type reverter struct {
	cfg      *Config
	interest *interest
	outcomes *outcomes

	late sync.WaitGroup // revertLate

	mu     sync.Mutex
	newest *unconfirmed // nil: there is none
}

// watch keeps the newest unconfirmed revision until HAProxy accepts or refuses it.
func (r *reverter) watch(u *unconfirmed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.newest = u
}

// confirm ends that: HAProxy has accepted the newest revision.
func (r *reverter) confirm() { r.watch(nil) }

// watchAgain keeps a revision that could not be reverted until it can be, or there is a
// newer one.
func (r *reverter) watchAgain(u *unconfirmed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newest == nil {
		r.newest = u
	}
}

// refusedBy is the newest revision if a round has shown that HAProxy refuses it. A round
// that shows the contrary confirms it.
func (r *reverter) refusedBy(out outcome) *unconfirmed {
	r.mu.Lock()
	defer r.mu.Unlock()
	u := r.newest
	if u == nil || out.revision < u.rev.Number || out.err != nil && !isRefusal(out.err) {
		return nil
	}
	r.newest = nil
	if out.err == nil || out.revision > u.rev.Number {
		return nil
	}
	return u
}

// revertLate reverts a revision that HAProxy has refused after its author was told that
// it is stored and not yet in effect. A later revision by somebody else stays. It does so
// beside the loop, which waits for no disk.
func (r *reverter) revertLate(ctx context.Context, u *unconfirmed, refused error) {
	r.late.Go(func() { r.takeBack(ctx, u, refused) })
}

func (r *reverter) takeBack(ctx context.Context, u *unconfirmed, refused error) {
	_, err := r.store(ctx, u.before, u.rev, r.origin(u.rev), refused)
	if err != nil && !errors.As(err, new(*lb.StaleRevisionError)) {
		if !u.failed {
			r.cfg.Logger.ErrorContext(ctx, "refused configuration not reverted, trying again", "revision", u.rev.Number, "error", err)
		}
		u.failed = true
		r.watchAgain(u)
	}
}

// revert restores the intent before a revision that HAProxy could not start, waits until
// that is in effect, and returns the refusal.
func (r *reverter) revert(ctx context.Context, before lb.Intent, rev lb.Revision, refused *lb.RefusedError) error {
	by := r.origin(rev)
	expected := r.outcomes.expect(expectation{revision: rev.Number + 1, by: by})
	defer r.outcomes.forget(expected)
	back, err := r.store(ctx, before, rev, by, refused)
	if err != nil {
		r.watchAgain(&unconfirmed{rev: rev, before: before, failed: true}) // a later round reverts it
		return errors.Join(refused, err)
	}
	if out := r.outcomes.await(ctx, expected); out.err != nil {
		r.cfg.Logger.ErrorContext(ctx, "reverted configuration is not in effect", "revision", back.Number, "error", out.err)
	}
	return refused
}

func (r *reverter) origin(rev lb.Revision) lb.Origin {
	return lb.Origin{
		Author: "thalassa", Time: r.cfg.Now(),
		Cause: "taking back revision " + strconv.FormatUint(rev.Number, 10) + ", which HAProxy could not start",
	}
}

// store stores the intent before a revision as a revision of its own, and records that.
func (r *reverter) store(ctx context.Context, before lb.Intent, rev lb.Revision, by lb.Origin, refused error) (lb.Revision, error) {
	back, err := r.cfg.Intents.Commit(ctx, rev.Number, before, by)
	if err != nil {
		return back, fmt.Errorf("taking back revision %d: %w", rev.Number, err)
	}
	before.Revision = back.Number
	r.interest.require(before) // before the caller gives back what it has borrowed for it
	r.cfg.Journal.Note(activity.Event{
		Verb: activity.ConfigurationReverted, Object: haproxyObject(), Author: by.Author, Cause: by.Cause,
		Revision: back.Number, Error: refused.Error(),
	})
	return back, nil
}
