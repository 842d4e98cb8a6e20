package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// Bounds of the limit of Revisions.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Revisions lists the history before a revision, newest first; before 0 it
// begins with the newest one. A limit of 0 means DefaultLimit, and no more than
// MaxLimit are answered; the slice is never nil. Old revisions are dropped, see
// Options.
func (d *DB) Revisions(ctx context.Context, before uint64, limit int) ([]lb.Revision, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	out := []lb.Revision{}
	err := d.view(ctx, "reading the history", func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(revisionBucket)).Cursor()
		for key, value := below(c, before); key != nil && len(out) < min(limit, MaxLimit); key, value = c.Prev() {
			rev, err := decodeRevision(key, value)
			if err != nil {
				return err
			}
			out = append(out, rev)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// below moves to the greatest number less than before; 0 is above all.
func below(c *bbolt.Cursor, before uint64) (key, value []byte) {
	if before == 0 {
		return c.Last()
	}
	if key, _ := c.Seek(number(before)); key == nil {
		return c.Last()
	}
	return c.Prev()
}

// revision is one of the history; 0, and one that has been dropped, has only its
// number.
func (d *DB) revision(ctx context.Context, n uint64) (lb.Revision, error) {
	rev := lb.Revision{Number: n}
	err := d.view(ctx, "reading the newest revision", func(tx *bbolt.Tx) error {
		value := tx.Bucket([]byte(revisionBucket)).Get(number(n))
		if value == nil {
			return nil
		}
		var err error
		rev, err = decodeRevision(number(n), value)
		return err
	})
	return rev, err
}

func decodeRevision(key, value []byte) (lb.Revision, error) {
	var doc revisionDoc
	if err := decode(revisionBucket, key, value, &doc); err != nil {
		return lb.Revision{}, err
	}
	return doc.revision()
}

// revisionDoc is a stored revision.
type revisionDoc struct {
	Number  uint64      `json:"number"`
	Author  string      `json:"author"`
	Cause   string      `json:"cause"`
	Message string      `json:"message,omitempty"`
	Time    time.Time   `json:"time"`
	Changes []changeDoc `json:"changes"`
}

// changeDoc holds the documents of an object before and after a revision; null: there is
// none.
type changeDoc struct {
	ID     string          `json:"id"`
	Before json.RawMessage `json:"before"`
	After  json.RawMessage `json:"after"`
}

func (d revisionDoc) revision() (lb.Revision, error) {
	rev := lb.Revision{Number: d.Number, Origin: lb.Origin{Author: d.Author, Cause: d.Cause, Message: d.Message, Time: d.Time}}
	for _, c := range d.Changes {
		change := lb.ObjectChange{ID: c.ID}
		for _, side := range []struct {
			doc json.RawMessage
			to  *lb.Object
		}{{c.Before, &change.Before}, {c.After, &change.After}} {
			if strictjson.IsAbsent(side.doc) {
				continue
			}
			o, err := decodeObject(c.ID, side.doc)
			if err != nil {
				return rev, fmt.Errorf("%s in revision %d: %w", c.ID, d.Number, err)
			}
			*side.to = o
		}
		rev.Changes = append(rev.Changes, change)
	}
	return rev, nil
}
