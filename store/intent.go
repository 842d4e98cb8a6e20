package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// Load is what operators asked for, as of the newest revision. It is read from
// the file once and kept: nobody else can change a locked file.
func (d *DB) Load(ctx context.Context) (lb.Intent, error) {
	if in := d.newest.Load(); in != nil && d.usable() {
		return copied(*in), ctx.Err()
	}
	in := emptyIntent()
	err := d.view(ctx, "loading what is stored", func(tx *bbolt.Tx) error {
		var head intentHead
		if err := read(tx, intentKey, &head); err != nil {
			return err
		}
		in.Revision = head.Revision
		docs, err := objects(tx)
		if err != nil {
			return err
		}
		for id, doc := range docs {
			if err := addObject(in, id, doc); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return lb.Intent{}, err
	}
	d.keep(in)
	return in, nil
}

// copied is the intent with maps of its own.
func copied(in lb.Intent) lb.Intent {
	out := emptyIntent()
	out.Revision = in.Revision
	maps.Copy(out.Frontends, in.Frontends)
	maps.Copy(out.Backends, in.Backends)
	return out
}

// keep remembers an intent unless a newer one is remembered already.
func (d *DB) keep(in lb.Intent) {
	in = copied(in)
	for {
		old := d.newest.Load()
		if old != nil && old.Revision >= in.Revision || d.newest.CompareAndSwap(old, &in) {
			return
		}
	}
}

// Commit makes next the newest revision, provided that base still is; when it is
// not, the error is a *lb.StaleRevisionError. The answer's number is base+1;
// next.Revision does not matter. When next holds the same objects as are stored,
// no revision is made and the answer is the one that base is. An intent that
// could not be loaded again is refused with lb's errors.
//
// After an error the stored intent is as it was. The one exception is a disk
// that fails to confirm the very last write of the transaction: then Load tells.
func (d *DB) Commit(ctx context.Context, base uint64, next lb.Intent, by lb.Origin) (lb.Revision, error) {
	docs, err := documents(next)
	if err != nil {
		return lb.Revision{}, err
	}
	by.Time = by.Time.UTC().Round(0) // as it will be read
	doc := revisionDoc{Number: base, Author: by.Author, Cause: by.Cause, Time: by.Time}
	err = d.update(ctx, "committing a revision", func(tx *bbolt.Tx) error {
		var head intentHead
		if err := read(tx, intentKey, &head); err != nil {
			return err
		}
		if head.Revision != base {
			return &lb.StaleRevisionError{Base: base, Current: head.Revision}
		}
		if doc.Changes, err = changes(tx, docs); err != nil {
			return err
		}
		if len(doc.Changes) == 0 {
			return errUnchanged
		}
		doc.Number++
		return d.advance(tx, head, doc)
	})
	switch {
	case err == nil:
		next.Revision = doc.Number
		d.keep(next)
	case !errors.Is(err, errUnchanged):
		d.newest.Store(nil) // the file knows
	}
	d.committed.Broadcast() // whoever waits looks for himself
	if errors.Is(err, errUnchanged) {
		return d.revision(ctx, base)
	}
	if err != nil {
		return lb.Revision{}, err
	}
	return doc.revision()
}

// errUnchanged ends the transaction of a commit that changes nothing.
var errUnchanged = errors.New("nothing has changed")

// Wait returns nil as soon as a revision newer than after is stored, and Load
// gives it. Otherwise the error is that of ctx, or os.ErrClosed.
func (d *DB) Wait(ctx context.Context, after uint64) error {
	for {
		next := d.committed.Next() // before the look, so that nothing is missed
		in, err := d.Load(ctx)     // not the file, which is a moment ahead of Load
		if err != nil || in.Revision > after {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		case <-d.closed:
			return errClosed
		}
	}
}

func emptyIntent() lb.Intent {
	return lb.Intent{Frontends: map[lb.Name]lb.Frontend{}, Backends: map[lb.Name]lb.Backend{}}
}

// addObject puts the stored object of that id into an intent.
func addObject(in lb.Intent, id string, doc []byte) error {
	o, err := decodeObject(id, doc)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	switch o := o.(type) {
	case lb.Frontend:
		in.Frontends[o.Key] = o
	case lb.Backend:
		in.Backends[o.Key] = o
	}
	return nil
}

// documents are the objects of an intent by id, ready to be stored.
func documents(in lb.Intent) (map[string][]byte, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	docs := make(map[string][]byte, len(in.Frontends)+len(in.Backends))
	add := func(key, own lb.Name, object lb.Object) error {
		if key != own {
			return &lb.InvalidError{Fields: []lb.FieldError{{Path: "key", Problem: object.ID() + " stands under the key " + string(key)}}}
		}
		doc, err := encodeObject(object)
		docs[object.ID()] = doc
		return err
	}
	for key, f := range in.Frontends {
		if err := add(key, f.Key, f); err != nil {
			return nil, err
		}
	}
	for key, b := range in.Backends {
		if err := add(key, b.Key, b); err != nil {
			return nil, err
		}
	}
	return docs, nil
}

// objects are the stored documents by id.
func objects(tx *bbolt.Tx) (map[string][]byte, error) {
	docs := map[string][]byte{}
	err := tx.Bucket([]byte(objectBucket)).ForEach(func(id, value []byte) error {
		doc, err := opened(objectBucket, id, value)
		docs[string(id)] = slices.Clone(doc)
		return err
	})
	return docs, err
}

// changes lists in what next differs from the stored objects, sorted by id.
func changes(tx *bbolt.Tx, next map[string][]byte) ([]changeDoc, error) {
	stored, err := objects(tx)
	if err != nil {
		return nil, err
	}
	ids := maps.Clone(stored)
	maps.Copy(ids, next)
	var out []changeDoc
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		same, err := equal(id, stored[id], next[id])
		if err != nil {
			return nil, err
		}
		if !same {
			out = append(out, changeDoc{ID: id, Before: orNull(stored[id]), After: orNull(next[id])})
		}
	}
	return out, nil
}

func orNull(doc []byte) json.RawMessage {
	if doc == nil {
		return json.RawMessage("null")
	}
	return doc
}

// equal compares a stored document with a new one. One that an older version
// wrote in other words is the same when it means the same. A new one that
// cannot be read back is refused.
func equal(id string, stored, next []byte) (bool, error) {
	if bytes.Equal(stored, next) {
		return true, nil
	}
	if next == nil {
		return false, nil
	}
	if _, err := decodeObject(id, next); err != nil {
		return false, fmt.Errorf("%s: %w", id, err)
	}
	if stored == nil {
		return false, nil
	}
	o, err := decodeObject(id, stored)
	if err != nil {
		return false, fmt.Errorf("%s: %w", id, err)
	}
	doc, err := encodeObject(o)
	return bytes.Equal(doc, next), err
}

// advance stores a revision and what it changes, and drops the revisions that
// are too old.
func (d *DB) advance(tx *bbolt.Tx, head intentHead, rev revisionDoc) error {
	bucket := tx.Bucket([]byte(objectBucket))
	for _, c := range rev.Changes {
		if err := replace(bucket, []byte(c.ID), c.After); err != nil {
			return err
		}
	}
	if err := write(tx, revisionBucket, number(rev.Number), rev); err != nil {
		return err
	}
	head.Revision = rev.Number
	for ; head.Revision-head.First >= uint64(d.maxRevisions); head.First++ {
		if err := tx.Bucket([]byte(revisionBucket)).Delete(number(head.First)); err != nil {
			return err
		}
	}
	docs, err := objects(tx)
	if err != nil {
		return err
	}
	head.Objects, head.Digest = len(docs), digest(docs)
	return write(tx, metaBucket, []byte(intentKey), head)
}

func replace(bucket *bbolt.Bucket, id []byte, doc json.RawMessage) error {
	if string(doc) == "null" {
		return bucket.Delete(id)
	}
	return bucket.Put(id, sealed(objectBucket, id, doc))
}
