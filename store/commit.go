package store

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// errUnchanged ends the transaction of a commit that changes nothing.
var errUnchanged = errors.New("nothing has changed")

// CommitAll makes each proposal a revision, in their order, provided that base is the newest
// revision; otherwise the error is a *lb.StaleRevisionError. All of them are stored in one
// transaction, or none. The revisions are numbered from base+1. A proposal with the same objects as
// the one before it makes no revision; the revision before it is returned for it. The revisions of
// the proposals' intents do not matter. An intent that could not be loaded again is refused with
// lb's errors.
//
// After an error the stored intent is as it was. The one exception is a disk
// that fails to confirm the very last write of the transaction: then ask Load what is stored.
func (d *DB) CommitAll(ctx context.Context, base uint64, proposals []lb.Proposal) ([]lb.Revision, error) {
	editions, err := editionsOf(storedAs(d, base), proposals)
	if err != nil {
		return nil, err
	}
	made := make([]revisionDoc, len(proposals))
	newest := base
	err = d.update(ctx, "committing revisions", func(tx *bbolt.Tx) error {
		made, newest, err = commitAll(tx, d.history, base, proposals, editions)
		return err
	})
	switch {
	case err == nil:
		next := proposals[len(proposals)-1].Intent
		next.Revision = newest
		keep(d, next)
	case !errors.Is(err, errUnchanged):
		d.newest.Store(nil) // the file knows
	}
	d.committed.Broadcast() // whoever waits looks for himself
	if err != nil && !errors.Is(err, errUnchanged) {
		return nil, err
	}
	return answers(made, func() (lb.Revision, error) { return d.revision(ctx, base) })
}

// commitAll writes the revisions into a transaction.
func commitAll(tx *bbolt.Tx, most historyBound, base uint64, proposals []lb.Proposal, editions []edition) (made []revisionDoc, newest uint64, err error) {
	var head intentHead
	if err := read(tx, intentKey, &head); err != nil {
		return nil, base, err
	}
	if head.Revision != base {
		return nil, base, &lb.StaleRevisionError{Base: base, Current: head.Revision}
	}
	head.Bytes = historySize(tx, head)
	stored, err := objects(tx)
	if err != nil {
		return nil, base, err
	}
	for i, p := range proposals {
		by := p.Origin
		rev := revisionDoc{Number: head.Revision, Author: by.Author, Cause: by.Cause, Message: by.Message, Time: by.Time.UTC().Round(0)} // as it will be read
		if rev.Changes, err = changes(stored, editions[i]); err != nil {
			return nil, base, err
		}
		if len(rev.Changes) > 0 {
			rev.Number++
			head.Revision = rev.Number
			if err := writeRevision(tx, rev); err != nil {
				return nil, base, err
			}
			carry(stored, rev.Changes)
			head.Bytes += int64(len(tx.Bucket([]byte(revisionBucket)).Get(number(rev.Number))))
		}
		made = append(made, rev)
	}
	if head.Revision == base {
		return made, base, errUnchanged
	}
	if err := raiseSchema(tx); err != nil {
		return nil, base, err
	}
	return made, head.Revision, writeHead(tx, head, stored, most)
}

// answers are the revisions that the proposals have become. For a proposal that changed nothing it
// is the revision before it; for a first one that is base.
func answers(made []revisionDoc, base func() (lb.Revision, error)) ([]lb.Revision, error) {
	var out []lb.Revision
	for i, doc := range made {
		var rev lb.Revision
		var err error
		switch {
		case len(doc.Changes) > 0:
			rev, err = doc.revision()
		case i > 0:
			rev = out[i-1]
		default:
			rev, err = base()
		}
		if err != nil {
			return nil, err
		}
		out = append(out, rev)
	}
	return out, nil
}

// An edition is what a proposal makes of the objects that are stored.
type edition struct {
	docs map[string][]byte // by id, ready to be stored; nil: the object is removed
	// isAll: objects that docs does not have are removed. Otherwise they stay as they are.
	isAll bool
}

// editionsOf are those of proposals, each after the one before it. Only what a proposal
// changes is encoded, the first one since the intent stored; nil: that is not known.
func editionsOf(stored *lb.Intent, proposals []lb.Proposal) ([]edition, error) {
	editions := make([]edition, len(proposals))
	before := stored
	for i, p := range proposals {
		var err error
		if editions[i], err = editionOf(before, p.Intent); err != nil {
			return nil, err
		}
		before = &p.Intent
	}
	return editions, nil
}

func editionOf(before *lb.Intent, next lb.Intent) (edition, error) {
	if before == nil {
		docs, err := documents(next)
		return edition{docs: docs, isAll: true}, err
	}
	e := edition{docs: map[string][]byte{}}
	if err := checkStorable(next); err != nil {
		return e, err
	}
	for _, change := range before.Changes(next) {
		e.docs[change.ID] = nil
		if change.After == nil {
			continue
		}
		doc, err := encodeObject(change.After)
		if err != nil {
			return e, err
		}
		e.docs[change.ID] = doc
	}
	return e, nil
}

// storedAs is the intent that is stored as the revision base, if it is remembered; nil: it is not.
func storedAs(d *DB, base uint64) *lb.Intent {
	if in := d.newest.Load(); in != nil && in.Revision == base && d.usable() {
		return in
	}
	return nil
}
