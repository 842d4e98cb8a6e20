package store

import (
	"context"
	"strconv"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

func revisionID(n uint64) string { return "revisions/" + strconv.FormatUint(n, 10) }

// Revision is one of the history; *lb.NotFoundError when there is none of that number, or
// none any more.
func (d *DB) Revision(ctx context.Context, n uint64) (lb.Revision, error) {
	rev, err := d.revision(ctx, n)
	if err == nil && len(rev.Changes) == 0 {
		err = &lb.NotFoundError{ID: revisionID(n)}
	}
	return rev, err
}

// IntentAt is what operators asked for as of a revision; 0 is the empty intent of a new
// store. It goes back from the newest revision, one by one. The error is a
// *lb.NotFoundError for a revision that has not been made, and for one before the oldest
// that is kept.
func (d *DB) IntentAt(ctx context.Context, n uint64) (lb.Intent, error) {
	in := lb.NewIntent()
	in.Revision = n
	err := d.view(ctx, "reading a former configuration", func(tx *bbolt.Tx) error {
		var head intentHead
		if err := read(tx, intentKey, &head); err != nil {
			return err
		}
		if n > head.Revision || n+1 < head.First {
			return &lb.NotFoundError{ID: revisionID(n)}
		}
		docs, err := objects(tx)
		if err != nil {
			return err
		}
		if err := undo(tx, docs, head.Revision, n); err != nil {
			return err
		}
		return addObjects(in, docs)
	})
	if err != nil {
		return lb.Intent{}, err
	}
	return in, nil
}

// undo reverts the revisions after n, beginning with the newest.
func undo(tx *bbolt.Tx, docs map[string][]byte, newest, n uint64) error {
	c := tx.Bucket([]byte(revisionBucket)).Cursor()
	for key, value := below(c, newest+1); key != nil; key, value = c.Prev() {
		var rev revisionDoc
		if err := decode(revisionBucket, key, value, &rev); err != nil {
			return err
		}
		if rev.Number <= n {
			break
		}
		for _, change := range rev.Changes {
			if string(change.Before) == "null" {
				delete(docs, change.ID)
				continue
			}
			docs[change.ID] = change.Before
		}
	}
	return nil
}
