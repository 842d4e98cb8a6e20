package agent

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"thalassa/activity"
	"thalassa/lb"
)

// unproven is a revision that HAProxy has neither taken nor refused yet, and what
// was asked for before it.
type unproven struct {
	rev    lb.Revision
	before lb.Intent
	failed bool // it was refused, and could not be taken back
}

// note keeps the newest unproven revision, so that a refusal is dealt with that
// comes when nobody waits for it any more; nil: there is none.
func (a *Agent) note(u *unproven) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unproven = u
}

// noteAgain keeps a revision that could not be taken back until it can, or there is a
// newer one.
func (a *Agent) noteAgain(u *unproven) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unproven == nil {
		a.unproven = u
	}
}

// verdict ends the wait for what becomes of the newest revision. It is returned when
// it was refused.
func (a *Agent) verdict(out outcome) *unproven {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.unproven
	if u == nil || out.revision < u.rev.Number || out.err != nil && !isRefusal(out.err) {
		return nil
	}
	a.unproven = nil
	if out.err == nil || out.revision > u.rev.Number {
		return nil
	}
	return u
}

// takeBackLate takes a revision back that HAProxy has refused after its author was
// told that it is stored and not yet in effect. Somebody else's revision on top of it
// stays.
func (a *Agent) takeBackLate(ctx context.Context, u *unproven, refused error) {
	_, err := a.revert(ctx, u.before, u.rev, a.takingBack(u.rev), refused)
	if err != nil && !errors.As(err, new(*lb.StaleRevisionError)) {
		if !u.failed {
			a.cfg.Logger.ErrorContext(ctx, "refused configuration not taken back, trying again", "revision", u.rev.Number, "error", err)
		}
		u.failed = true
		a.noteAgain(u)
	}
}

// takeBack restores the intent before a revision that HAProxy could not start, and
// returns the refusal.
func (a *Agent) takeBack(ctx context.Context, before lb.Intent, rev lb.Revision, refused *lb.RefusedError) error {
	by := a.takingBack(rev)
	awaited := a.expect(pending{revision: rev.Number + 1, by: by})
	defer a.forget(awaited)
	back, err := a.revert(ctx, before, rev, by, refused)
	if err != nil {
		a.noteAgain(&unproven{rev: rev, before: before, failed: true}) // a later round takes it back
		return errors.Join(refused, err)
	}
	if out := a.awaitRound(ctx, awaited); out.err != nil {
		a.cfg.Logger.ErrorContext(ctx, "configuration taken back is not in effect", "revision", back.Number, "error", out.err)
	}
	return refused
}

func (a *Agent) takingBack(rev lb.Revision) lb.Stamp {
	return lb.Stamp{
		Author: "thalassa", Time: a.cfg.Now(),
		Cause: "taking back revision " + strconv.FormatUint(rev.Number, 10) + ", which HAProxy could not start",
	}
}

// revert stores the intent before a revision as one of its own, and tells of it.
func (a *Agent) revert(ctx context.Context, before lb.Intent, rev lb.Revision, by lb.Stamp, refused error) (lb.Revision, error) {
	back, err := a.cfg.Intents.Commit(ctx, rev.Number, before, by)
	if err != nil {
		return back, fmt.Errorf("taking back revision %d: %w", rev.Number, err)
	}
	before.Revision = back.Number
	a.interest.require(before) // before the caller gives back what it has borrowed for it
	a.cfg.Journal.Note(activity.Event{
		Verb: activity.ConfigurationReverted, Object: haproxyObject(), Author: by.Author, Cause: by.Cause,
		Revision: back.Number, Error: refused.Error(),
	})
	return back, nil
}
