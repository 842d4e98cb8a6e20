package store

import (
	"context"

	"go.etcd.io/bbolt"

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
			var rev lb.Revision
			if err := decode(revisionBucket, key, value, &rev); err != nil {
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
		return decode(revisionBucket, number(n), value, &rev)
	})
	return rev, err
}
