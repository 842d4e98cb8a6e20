package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// Load is what operators asked for, as of the newest revision. It is read from the file once and
// kept in memory, since no other process can change the locked file.
func (d *DB) Load(ctx context.Context) (lb.Intent, error) {
	if in := d.newest.Load(); in != nil && d.usable() {
		return in.Clone(), ctx.Err()
	}
	in := lb.NewIntent()
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
		return addObjects(in, docs)
	})
	if err != nil {
		return lb.Intent{}, err
	}
	keep(d, in)
	return in, nil
}

// keep remembers an intent unless a newer one is remembered already.
func keep(d *DB, in lb.Intent) {
	in = in.Clone()
	for {
		old := d.newest.Load()
		if old != nil && old.Revision >= in.Revision || d.newest.CompareAndSwap(old, &in) {
			return
		}
	}
}

// Commit is CommitAll of one proposal.
func (d *DB) Commit(ctx context.Context, base uint64, next lb.Intent, by lb.Origin) (lb.Revision, error) {
	revs, err := d.CommitAll(ctx, base, []lb.Proposal{{Intent: next, Origin: by}})
	if err != nil {
		return lb.Revision{}, err
	}
	return revs[0], nil
}

// Wait returns nil as soon as Load returns a revision newer than after. Otherwise the error is that
// of ctx, or os.ErrClosed.
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

// addObjects puts stored objects into an intent.
func addObjects(in lb.Intent, docs map[string][]byte) error {
	for id, doc := range docs {
		if err := addObject(in, id, doc); err != nil {
			return err
		}
	}
	return nil
}

// addObject puts the stored object of that id into an intent.
func addObject(in lb.Intent, id string, doc []byte) error {
	o, err := decodeObject(id, doc)
	if err != nil {
		return fmt.Errorf("%s: %w", id, err)
	}
	in.Put(o)
	return nil
}

// documents are the objects of an intent by id, ready to be stored.
func documents(in lb.Intent) (map[string][]byte, error) {
	if err := checkStorable(in); err != nil {
		return nil, err
	}
	docs := make(map[string][]byte, len(in.Frontends)+len(in.Backends))
	for _, object := range in.Objects() {
		doc, err := encodeObject(object)
		if err != nil {
			return nil, err
		}
		docs[object.ID()] = doc
	}
	return docs, nil
}

// checkStorable refuses an intent that could not be loaded again.
func checkStorable(in lb.Intent) error {
	for key, object := range in.Objects() {
		if _, own, _ := strings.Cut(object.ID(), "/"); own != key {
			return &lb.InvalidError{Fields: []lb.FieldError{{Path: "key", Problem: object.ID() + " is kept under the key " + key}}}
		}
	}
	return in.Validate()
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

// changes lists the differences between an edition and the stored objects, sorted by id.
func changes(stored map[string][]byte, next edition) ([]changeDoc, error) {
	ids := maps.Clone(next.docs)
	if next.isAll {
		maps.Copy(ids, stored)
	}
	var out []changeDoc
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		same, err := equal(id, stored[id], next.docs[id])
		if err != nil {
			return nil, err
		}
		if !same {
			out = append(out, changeDoc{ID: id, Before: orNull(stored[id]), After: orNull(next.docs[id])})
		}
	}
	return out, nil
}

// carry makes changes in the stored objects.
func carry(stored map[string][]byte, list []changeDoc) {
	for _, change := range list {
		if string(change.After) == "null" {
			delete(stored, change.ID)
			continue
		}
		stored[change.ID] = change.After
	}
}

func orNull(doc []byte) json.RawMessage {
	if doc == nil {
		return json.RawMessage("null")
	}
	return doc
}

// equal compares a stored document with a new one. One that an older version wrote differently is
// equal when it has the same meaning. A new one that cannot be read back is refused.
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

// writeRevision stores a revision and what it changes.
func writeRevision(tx *bbolt.Tx, rev revisionDoc) error {
	bucket := tx.Bucket([]byte(objectBucket))
	for _, c := range rev.Changes {
		if err := replace(bucket, []byte(c.ID), c.After); err != nil {
			return err
		}
	}
	return write(tx, revisionBucket, number(rev.Number), rev)
}

// historySize is the size of all revisions in bytes.
func historySize(tx *bbolt.Tx, head intentHead) int64 {
	if head.Bytes > 0 {
		return head.Bytes
	}
	var size int64
	c := tx.Bucket([]byte(revisionBucket)).Cursor()
	for key, value := c.First(); key != nil; key, value = c.Next() {
		size += int64(len(value))
	}
	return size
}

// A historyBound limits how much of the history is kept. The newest revision always is.
type historyBound struct {
	revisions int
	bytes     int64
}

// writeHead stores which revision is the newest, with a digest of the objects, and
// drops the oldest revisions that are beyond the bound.
func writeHead(tx *bbolt.Tx, head intentHead, docs map[string][]byte, most historyBound) error {
	bucket := tx.Bucket([]byte(revisionBucket))
	for head.First < head.Revision && (head.Revision-head.First >= uint64(most.revisions) || head.Bytes > most.bytes) {
		head.Bytes -= int64(len(bucket.Get(number(head.First))))
		if err := bucket.Delete(number(head.First)); err != nil {
			return err
		}
		head.First++
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
