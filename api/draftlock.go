package api

import (
	"context"
	"errors"
	"sync"
	"time"

	"thalassa/internal/permit"
	"thalassa/lb"
	"thalassa/stage"
)

// draftPatience is how long a request waits for another one about the same draft. It holds one of
// the few turns of draftTurns meanwhile; most commits take less.
const draftPatience = 3 * time.Second

// lockedDrafts let one request at a time change, commit or delete a draft. A commit reads the draft
// first and removes it at last: a change in between would be lost.
type lockedDrafts struct {
	Drafts

	mu    sync.Mutex
	turns map[string]*draftLock // by ID; only of drafts that somebody holds or waits for
}

// A draftLock is the turn of one draft.
type draftLock struct {
	turn  chan struct{} // full while one holds it
	users int           // who hold it or wait for it
}

// lock waits for the turn of a draft for draftPatience. The error is a *ResponseError (503), that
// of ctx, or that of a caller who has lost its right meanwhile. Call unlock once.
func (l *lockedDrafts) lock(ctx context.Context, id string) (unlock func(), err error) {
	l.mu.Lock()
	if l.turns == nil {
		l.turns = map[string]*draftLock{}
	}
	d := l.turns[id]
	if d == nil {
		d = &draftLock{turn: make(chan struct{}, 1)}
		l.turns[id] = d
	}
	d.users++
	l.mu.Unlock()
	timeout := time.NewTimer(draftPatience)
	defer timeout.Stop()
	select {
	case d.turn <- struct{}{}:
		unlock = func() { <-d.turn; l.leave(id, d) }
		if err := permit.Check(ctx); err != nil { // it may have waited
			unlock()
			return nil, err
		}
		return unlock, nil
	case <-timeout.C:
		err = unavailableFailure("draft " + id + " is being committed; try again later")
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	l.leave(id, d)
	return nil, err
}

// leave forgets a turn that nobody uses any more.
func (l *lockedDrafts) leave(id string, d *draftLock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.users--; d.users == 0 {
		delete(l.turns, id)
	}
}

// UpdateDraft is that of Drafts, and waits for a commit of the draft.
func (l *lockedDrafts) UpdateDraft(ctx context.Context, id string, change func(stage.Draft) (stage.Draft, error)) (stage.Draft, error) {
	unlock, err := l.lock(ctx, id)
	if err != nil {
		return stage.Draft{}, err
	}
	defer unlock()
	return l.Drafts.UpdateDraft(ctx, id, change)
}

// commitDraft carries out a draft as one revision and removes it. Changes of the draft wait
// meanwhile. how sets what the edits are carried out with; it may be nil. The error is an
// *lb.NotFoundError if there is no such draft, one of Apply, or one of stage.Draft.Changeset.
func (a *Agent) commitDraft(ctx context.Context, id string, by lb.Origin, how func(*lb.Edit)) (lb.Applied, error) {
	unlock, err := a.drafts.lock(ctx, id)
	if err != nil {
		return lb.Applied{}, err
	}
	defer unlock()
	d, err := a.drafts.Draft(ctx, id)
	if err != nil {
		return lb.Applied{}, err
	}
	in, err := a.views.Intent(ctx)
	if err != nil {
		return lb.Applied{}, err
	}
	set, err := d.Changeset(in, by)
	if err != nil {
		return lb.Applied{}, err
	}
	for i := range set.Edits {
		if how != nil {
			how(&set.Edits[i])
		}
	}
	applied := lb.Applied{Applied: true, Path: "none", Revision: in.Revision}
	if len(set.Edits) > 0 {
		if applied, err = a.Apply(ctx, set); err != nil {
			return applied, set.Named(err)
		}
	}
	// Another commit of it would change nothing, should this fail.
	if err := a.drafts.DeleteDraft(context.WithoutCancel(ctx), id); err != nil && !errors.As(err, new(*lb.NotFoundError)) {
		return applied, err
	}
	return applied, nil
}
