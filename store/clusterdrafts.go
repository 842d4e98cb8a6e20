package store

import (
	"context"
	"encoding/json"
	"errors"

	"go.etcd.io/bbolt"
)

// Buckets of drafts of the cluster's configuration, in the form of package drafts. A file may lack
// them; what is damaged in them is no reason not to open the file.
const (
	// clusterDraftBucket has the drafts: id → document. It has the secrets that their edits have, and is
	// in no backup.
	clusterDraftBucket = "cluster-drafts"
	// clusterDraftEndBucket has what is known of those that were dropped or committed: id → document.
	clusterDraftEndBucket = "cluster-draft-ends"
	// clusterDraftStateBucket has what an agent knows beside them, under one key.
	clusterDraftStateBucket = "cluster-draft-state"
)

const clusterDraftStateKey = "state"

// ClusterDrafts are the drafts of the cluster's configuration in a database.
type ClusterDrafts struct{ db *DB }

// NewClusterDrafts are those of a database.
func NewClusterDrafts(db *DB) ClusterDrafts { return ClusterDrafts{db} }

// Load calls each with the documents of ends of drafts, and then of drafts. It returns the state, nil:
// there is none, and the last number that a former version of the agent has given to a draft. A
// document that cannot be read is logged and left out: other nodes have it, too.
func (d ClusterDrafts) Load(ctx context.Context, each func(id string, doc []byte)) (state []byte, numbered uint64, err error) {
	err = d.db.view(ctx, "loading the drafts of the cluster", func(tx *bbolt.Tx) error {
		for _, name := range []string{clusterDraftEndBucket, clusterDraftBucket} {
			err := eachDoc(tx, name, func(id []byte, doc json.RawMessage, err error) error {
				if err != nil {
					d.db.logger.ErrorContext(ctx, "draft of the cluster not readable", "draft", string(id), "error", err)
					return nil
				}
				each(string(id), doc)
				return nil
			})
			if err != nil {
				return err
			}
		}
		if bucket := tx.Bucket([]byte(clusterDraftBucket)); bucket != nil {
			numbered = bucket.Sequence()
		}
		bucket := tx.Bucket([]byte(clusterDraftStateBucket))
		if bucket == nil {
			return nil
		}
		value := bucket.Get([]byte(clusterDraftStateKey))
		var doc json.RawMessage
		if err := decode(clusterDraftStateBucket, []byte(clusterDraftStateKey), value, &doc); err != nil {
			d.db.logger.ErrorContext(ctx, "state of the drafts of the cluster not readable", "error", err)
			return nil
		}
		state = doc
		return nil
	})
	return state, numbered, err
}

// Read is the document of a draft; nil: there is none.
func (d ClusterDrafts) Read(ctx context.Context, id string) ([]byte, error) {
	var doc json.RawMessage
	err := d.db.view(ctx, "loading a draft of the cluster", func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(clusterDraftBucket))
		if bucket == nil || bucket.Get([]byte(id)) == nil {
			return nil
		}
		return decode(clusterDraftBucket, []byte(id), bucket.Get([]byte(id)), &doc)
	})
	return doc, err
}

// Save stores documents of drafts and of ends of drafts by their ids, and the state, in one
// transaction. A document that is nil is removed.
func (d ClusterDrafts) Save(ctx context.Context, drafts, ends map[string][]byte, state []byte) error {
	return d.db.update(ctx, "storing drafts of the cluster", func(tx *bbolt.Tx) error {
		return errors.Join(
			saveDocs(tx, clusterDraftBucket, drafts), saveDocs(tx, clusterDraftEndBucket, ends),
			saveDocs(tx, clusterDraftStateBucket, map[string][]byte{clusterDraftStateKey: state}),
		)
	})
}

func saveDocs(tx *bbolt.Tx, name string, docs map[string][]byte) error {
	bucket, err := tx.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return err
	}
	for id, doc := range docs {
		if doc == nil {
			err = bucket.Delete([]byte(id))
		} else {
			err = bucket.Put([]byte(id), sealed(name, []byte(id), doc))
		}
		if err != nil {
			return err
		}
	}
	return nil
}
