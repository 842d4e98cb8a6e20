package drafts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/lb"
)

// An unreachableError says that an agent has not answered, or not in a way that can be used, as one of
// a version that does not share drafts.
type unreachableError struct{ err error }

// Error is the cause.
func (e *unreachableError) Error() string { return e.err.Error() }

// Unwrap is the cause.
func (e *unreachableError) Unwrap() error { return e.err }

// errFailed says that another agent cannot store what it was asked to.
var errFailed = errors.New("it has failed")

// told is an error for who has made a request: what is of this node or of the others is an
// *lb.UnavailableError, unless the request has ended itself.
func (d *Drafts) told(ctx context.Context, err error) error {
	failed, isFailed := errors.AsType[*storeError](err)
	switch {
	case err == nil || ctx.Err() != nil:
		return err
	case isFailed:
		return &lb.UnavailableError{What: "drafts of the cluster cannot be stored on " + cmp.Or(d.cfg.Self(), "this node") + ": " + failed.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		return &lb.UnavailableError{What: "drafts of the cluster: " + cmp.Or(d.shelf.known().Keeper, "this node") + ", which keeps them, has not answered within " + meetWithin.String()}
	case errors.Is(err, errMoved), errors.Is(err, errStale), errors.As(err, new(*unreachableError)):
		return &lb.UnavailableError{What: "the agents of the cluster do not agree on the drafts at present"}
	}
	return err
}

// meet gets what this agent lacks from the keeper, or becomes the keeper if that does not answer. The
// error is one of this agent.
func (d *Drafts) meet(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, meetWithin)
	defer cancel()
	self := d.cfg.Self()
	if err := d.enter(ctx); err != nil {
		return err
	}
	for range maxTries {
		now := d.shelf.known()
		switch {
		case self == "":
			return nil
		case now.Keeper == self:
			if is, err := d.confirm(ctx); is || err != nil {
				return err
			}
			continue
		case d.isThere(now.Keeper):
			err := d.sync(ctx, now.Keeper)
			if errors.Is(err, errMoved) {
				continue
			}
			if err == nil || ctx.Err() != nil || !errors.As(err, new(*unreachableError)) {
				return err
			}
		}
		if err := d.takeOver(ctx, now); err != nil {
			return err
		}
	}
	return errMoved
}

// takeOver makes this agent the keeper, if it is still as it was.
func (d *Drafts) takeOver(ctx context.Context, was state) error {
	self, is := d.cfg.Self(), false
	err := d.shelf.change(ctx, func(t *turn) error {
		if is = t.next.Term == was.Term && t.next.Keeper == was.Keeper; is {
			t.next.Term++
			t.next.Keeper = self
		}
		return nil
	})
	if is && err == nil {
		d.mu.Lock()
		d.confirmed = time.Time{}
		d.mu.Unlock()
		if was.Keeper != "" && was.Keeper != self {
			d.cfg.Logger.InfoContext(ctx, "drafts of the cluster: this node keeps them now", "before", was.Keeper, "term", was.Term+1)
		}
	}
	return err
}

// confirm asks the others whether this agent is the keeper, and gets what they know more. It asks
// again after a while.
func (d *Drafts) confirm(ctx context.Context) (is bool, err error) {
	begun := d.cfg.Now()
	d.mu.Lock()
	since := begun.Sub(d.confirmed)
	d.mu.Unlock()
	if since >= 0 && since < confirmFor {
		return true, nil
	}
	term, self := d.shelf.known().Term, d.cfg.Self()
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, node := range d.present() {
		all.Go(func() {
			failed := d.take(ctx, node)
			mu.Lock()
			defer mu.Unlock()
			if failed != nil && !errors.As(failed, new(*unreachableError)) && !errors.Is(failed, errMoved) {
				err = failed
			}
		})
	}
	all.Wait()
	if now := d.shelf.known(); err != nil || now.Term != term || now.Keeper != self {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.confirmed = begun
	return true, nil
}

// take gets what another agent knows more, and notes what it lacks.
func (d *Drafts) take(ctx context.Context, node string) error {
	of := d.shelf.known().Cluster
	has, sum := d.shelf.versions()
	a, err := d.question(ctx, node, message{Ask: askTake, Cluster: of, Sum: sum})
	if err != nil {
		return err
	}
	if a.Has == nil { // it has the same
		d.note(node, has)
		return nil
	}
	d.note(node, a.Has)
	err = d.fetch(ctx, node, askTake, a.Has, func(of string, list []entry) error {
		return d.absorb(ctx, of, list, func(*turn) error { return nil })
	})
	has, _ = d.shelf.versions()
	for id, v := range has {
		if !a.Has[id].has(v) {
			d.missOne(node, id)
		}
	}
	return err
}

// fetch gets the entries of another agent that this one lacks, by the versions that the other has.
func (d *Drafts) fetch(ctx context.Context, node, how string, has map[string]Version, take func(of string, list []entry) error) error {
	own, _ := d.shelf.versions()
	want := slices.Sorted(maps.Keys(has))
	want = slices.DeleteFunc(want, func(id string) bool { return own[id].has(has[id]) })
	for len(want) > 0 {
		a, err := d.question(ctx, node, message{Ask: how, Want: want})
		if err != nil {
			return err
		}
		list := a.entries()
		if len(list) > 0 {
			if err := take(a.Cluster, list); err != nil {
				return err
			}
		}
		if !a.More || len(list) == 0 {
			return nil
		}
		got := map[string]bool{}
		for _, e := range list {
			got[e.id] = true
		}
		want = slices.DeleteFunc(want, func(id string) bool { return got[id] })
	}
	return nil
}

// sync gets what this agent lacks from the keeper, and tells the keeper what that lacks.
func (d *Drafts) sync(ctx context.Context, keeper string) error {
	for range 3 {
		of := d.shelf.known().Cluster
		_, sum := d.shelf.versions()
		a, err := d.question(ctx, keeper, message{Ask: askSync, Cluster: of, Sum: sum})
		if err != nil || a.Has == nil {
			return err
		}
		err = d.fetch(ctx, keeper, askSync, a.Has, func(of string, list []entry) error {
			return d.shelf.adopt(ctx, of, func(t *turn) error {
				for _, e := range list {
					t.follow(e)
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
		own, _ := d.shelf.versions()
		var more []string
		for id, v := range own {
			if !a.Has[id].has(v) {
				more = append(more, id)
			}
		}
		if len(more) == 0 {
			return nil
		}
		slices.Sort(more)
		if err := d.send(ctx, keeper, askPush, more); err != nil {
			return err
		}
	}
	return nil
}

// failure is the error that an answer tells.
func (m message) failure() error {
	switch m.Code {
	case "":
		return nil
	case codeMoved:
		return errMoved
	case codeStale:
		return errStale
	case codeGone:
		return missing(m.ID)
	case codeTaken:
		return &lb.ConflictError{ID: m.ID, Reason: m.Reason}
	}
	return &unreachableError{fmt.Errorf("%w: %s", errFailed, m.Reason)}
}

// refusal is the answer that tells an error.
func refusal(err error, id string) message {
	if conflict, ok := errors.AsType[*lb.ConflictError](err); ok {
		return message{Code: codeTaken, ID: conflict.ID, Reason: conflict.Reason}
	}
	switch {
	case errors.Is(err, errMoved):
		return message{Code: codeMoved}
	case errors.Is(err, errStale):
		return message{Code: codeStale}
	case errors.As(err, new(*lb.NotFoundError)):
		return message{Code: codeGone, ID: id}
	}
	return message{Code: codeFailed, Reason: "its database"}
}

// Answer answers the question of another agent, whose message nobody else has made.
func (d *Drafts) Answer(ctx context.Context, from string, data []byte) ([]byte, error) {
	m, err := unpack(data)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	delete(d.silent, from)
	d.mu.Unlock()
	if err := d.enter(ctx); err != nil {
		return nil, err
	}
	if !d.shelf.known().isOf(m.Cluster) {
		return nil, errCluster
	}
	if !d.shelf.known().canBe(m, d.cfg.Now()) {
		return nil, errMessage
	}
	if err := d.heed(ctx, m); err != nil {
		return nil, err
	}
	a, err := d.answer(ctx, from, m)
	if err != nil {
		d.cfg.Logger.DebugContext(ctx, "question about drafts refused", "node", from, "question", m.Ask, "error", err)
		a = refusal(err, m.ID)
	}
	if a, err = d.signed(a); err != nil {
		return nil, err
	}
	return d.packer.pack(a)
}

func (d *Drafts) answer(ctx context.Context, from string, m message) (a message, err error) {
	now, self := d.shelf.known(), d.cfg.Self()
	isOfKeeper := m.Ask == askTake || m.Ask == askCopy
	if isOfKeeper && now.Keeper != from || !isOfKeeper && now.Keeper != self {
		return a, errMoved
	}
	switch m.Ask {
	case askTake, askSync:
		if len(m.Want) > 0 {
			a, _, err = d.with(ctx, a, m.Want)
			return a, err
		}
		has, sum := d.shelf.versions()
		if sum != m.Sum {
			a.Has = has
		}
		return a, nil
	case askCopy:
		return a, d.copied(ctx, from, m)
	case askPush:
		return a, d.pushed(ctx, m)
	case askPut:
		return d.putFor(ctx, m)
	}
	return a, errMessage
}

// copied keeps what the keeper has sent. The error is errStale if there is something here that the
// keeper lacks.
func (d *Drafts) copied(ctx context.Context, from string, m message) error {
	whole, list := true, m.entries()
	err := d.shelf.adopt(ctx, m.Cluster, func(t *turn) error {
		if t.next.Keeper != from {
			return errMoved
		}
		for _, e := range list {
			whole = t.follow(e) && whole
		}
		return nil
	})
	if err == nil && !whole {
		err = errStale
	}
	return err
}

// pushed takes over what another agent has sent.
func (d *Drafts) pushed(ctx context.Context, m message) error {
	return d.absorb(ctx, m.Cluster, m.entries(), func(t *turn) error {
		if t.next.Keeper != d.cfg.Self() {
			return errMoved
		}
		return nil
	})
}

// putFor makes the write of another agent.
func (d *Drafts) putFor(ctx context.Context, m message) (a message, err error) {
	if len(m.Entries) != 1 || m.Write == "" {
		return a, errMessage
	}
	next, err := decode(m.Entries[0])
	if err != nil || m.New && !next.isThere() {
		return a, errMessage
	}
	if m.ID != "" {
		if _, err := lb.ParseName(m.ID); err != nil {
			return a, errMessage
		}
	}
	if err := next.draft.Check(); err != nil {
		return a, err
	}
	made, kept, err := d.serve(ctx, write{id: m.ID, write: m.Write, isNew: m.New, of: m.Cluster, base: m.Base, next: next})
	if err != nil {
		return a, err
	}
	a.Kept = kept
	_, err = a.add(made)
	return a, err
}
