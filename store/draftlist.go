package store

import (
	"context"
	"strconv"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// A draftList is a bucket with drafts of one sort by their IDs.
type draftList struct {
	bucket string
	// name begins the name of each draft in errors.
	name string
	most int
	// remove is what callers can do about too many.
	remove string
}

func (l draftList) id(id string) string { return l.name + "/" + id }

// choose is the ID of a new draft: the one that it has, or else a number that was never one.
// The error is an *lb.ConflictError when there is a draft with the ID, or when there are as
// many already as there may be.
func (l draftList) choose(tx *bbolt.Tx, id string) (string, error) {
	bucket, err := tx.CreateBucketIfNotExists([]byte(l.bucket))
	if err != nil {
		return "", err
	}
	if n := bucket.Stats().KeyN; n >= l.most {
		return "", &lb.ConflictError{ID: l.name, Reason: "there are " + strconv.Itoa(n) + " already: commit or " + l.remove + " some first"}
	}
	isChosen := id != ""
	for id == "" || !isChosen && bucket.Get([]byte(id)) != nil {
		n, err := bucket.NextSequence()
		if err != nil {
			return "", err
		}
		id = strconv.FormatUint(n, 10)
	}
	if bucket.Get([]byte(id)) != nil {
		return "", &lb.ConflictError{ID: l.id(id), Reason: "exists already"}
	}
	return id, nil
}

// delete removes a draft; *lb.NotFoundError when there is none of that ID.
func (l draftList) delete(ctx context.Context, db *DB, doing, id string) error {
	return db.update(ctx, doing, func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(l.bucket))
		if bucket == nil || bucket.Get([]byte(id)) == nil {
			return &lb.NotFoundError{ID: l.id(id)}
		}
		return bucket.Delete([]byte(id))
	})
}
