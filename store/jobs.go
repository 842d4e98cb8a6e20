package store

import (
	"context"
	"encoding/json"

	"go.etcd.io/bbolt"
)

// jobBucket has the jobs of the cluster, in the form of package jobs: id → document. They are
// not part of a revision. A file may lack it, and damage in it is no reason not to open the
// file.
const jobBucket = "jobs"

// Jobs are the jobs in a database.
type Jobs struct{ db *DB }

// NewJobs are those of a database.
func NewJobs(db *DB) Jobs { return Jobs{db} }

// Save stores documents in JSON by their ids, and removes others. It returns when that is on
// disk.
func (j Jobs) Save(ctx context.Context, docs map[string][]byte, remove []string) error {
	return j.db.update(ctx, "storing jobs of the cluster", func(tx *bbolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(jobBucket))
		if err != nil {
			return err
		}
		for id, doc := range docs {
			if err := write(tx, jobBucket, []byte(id), json.RawMessage(doc)); err != nil {
				return err
			}
		}
		for _, id := range remove {
			if err := bucket.Delete([]byte(id)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Load are the stored documents by id. One that cannot be read is logged and left out: other
// nodes have it, too.
func (j Jobs) Load(ctx context.Context) (map[string][]byte, error) {
	docs := map[string][]byte{}
	err := j.db.view(ctx, "loading jobs of the cluster", func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(jobBucket))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(key, value []byte) error {
			var doc json.RawMessage
			if err := decode(jobBucket, key, value, &doc); err != nil {
				j.db.logger.ErrorContext(ctx, "job not readable", "job", string(key), "error", err)
				return nil
			}
			docs[string(key)] = doc
			return nil
		})
	})
	return docs, err
}
