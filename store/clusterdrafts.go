package store

import (
	"context"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// clusterDraftBucket has the drafts of the cluster's configuration: id → clusterDraftDoc. A
// file may lack it; what is damaged in it is no reason not to open the file.
const clusterDraftBucket = "cluster-drafts"

// A clusterDraftDoc is a stored config.Draft. It has the secrets that its edits have, and is
// in no backup.
type clusterDraftDoc struct {
	ID      string              `json:"id"`
	Author  string              `json:"author,omitempty"`
	Message string              `json:"message,omitempty"`
	Listed  bool                `json:"listed,omitempty"`
	Begun   time.Time           `json:"begun"`
	Changed time.Time           `json:"changed"`
	Number  uint64              `json:"number,omitempty"`
	Edits   []clusterEditDoc    `json:"edits,omitempty"`
	Base    map[string]string   `json:"base,omitempty"`
	Inject  []cluster.Injection `json:"inject,omitempty"`
	At      time.Time           `json:"at,omitzero"`
}

type clusterEditDoc struct {
	Number  uint64    `json:"number"`
	Author  string    `json:"author,omitempty"`
	Time    time.Time `json:"time"`
	Op      string    `json:"op"`
	Kind    string    `json:"kind"`
	ID      string    `json:"id"`
	Body    string    `json:"body,omitempty"`
	XML     bool      `json:"xml,omitempty"`
	To      string    `json:"to,omitempty"`
	Cascade bool      `json:"cascade,omitempty"`
}

// ClusterDrafts are the drafts of the cluster's configuration in a database.
type ClusterDrafts struct{ db *DB }

func clusterDraftList() draftList {
	return draftList{clusterDraftBucket, "cluster/drafts", config.MaxDrafts, "drop"}
}

// NewClusterDrafts are those of a database.
func NewClusterDrafts(db *DB) ClusterDrafts { return ClusterDrafts{db} }

// Create stores a new draft. Without an ID it gets a number that was never one. The error is
// an *lb.ConflictError when there is a draft with the ID, or when there are config.MaxDrafts
// already.
func (d ClusterDrafts) Create(ctx context.Context, draft config.Draft) (config.Draft, error) {
	err := d.db.update(ctx, "storing a draft of the cluster", func(tx *bbolt.Tx) error {
		var err error
		if draft.ID, err = clusterDraftList().choose(tx, draft.ID); err != nil {
			return err
		}
		return writeClusterDraft(tx, draft)
	})
	return draft, err
}

// Update changes a draft, provided that change has no error. Others wait meanwhile. The error
// is an *lb.NotFoundError, or that of change.
func (d ClusterDrafts) Update(ctx context.Context, id string, change func(config.Draft) (config.Draft, error)) (config.Draft, error) {
	var next config.Draft
	err := d.db.update(ctx, "storing a draft of the cluster", func(tx *bbolt.Tx) error {
		draft, err := readClusterDraft(tx, id)
		if err != nil {
			return err
		}
		if next, err = change(draft); err != nil {
			return err
		}
		return writeClusterDraft(tx, next)
	})
	return next, err
}

// Delete removes a draft; *lb.NotFoundError when there is none of that ID.
func (d ClusterDrafts) Delete(ctx context.Context, id string) error {
	return clusterDraftList().delete(ctx, d.db, "deleting a draft of the cluster", id)
}

// Draft is one of the drafts; *lb.NotFoundError when there is none of that ID.
func (d ClusterDrafts) Draft(ctx context.Context, id string) (draft config.Draft, err error) {
	err = d.db.view(ctx, "loading a draft of the cluster", func(tx *bbolt.Tx) error {
		draft, err = readClusterDraft(tx, id)
		return err
	})
	return draft, err
}

// List lists all drafts.
func (d ClusterDrafts) List(ctx context.Context) ([]config.Draft, error) {
	list := []config.Draft{}
	err := d.db.view(ctx, "loading the drafts of the cluster", func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(clusterDraftBucket))
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(id, _ []byte) error {
			draft, err := readClusterDraft(tx, string(id))
			list = append(list, draft)
			return err
		})
	})
	return list, err
}

func writeClusterDraft(tx *bbolt.Tx, d config.Draft) error {
	doc := clusterDraftDoc{
		ID: d.ID, Author: d.Author, Message: d.Message, Listed: d.Listed, Begun: d.Begun.UTC().Round(0), Changed: d.Changed.UTC().Round(0),
		Number: d.Number, Base: d.Base, Inject: d.Inject, At: d.At,
	}
	for _, e := range d.Edits {
		doc.Edits = append(doc.Edits, clusterEditDoc{
			Number: e.Number, Author: e.Author, Time: e.Time.UTC().Round(0), Op: e.Edit.Op, Kind: string(e.Edit.Kind), ID: e.Edit.ID,
			Body: string(e.Edit.Body), XML: e.Edit.IsXML, To: e.Edit.To, Cascade: e.Edit.Cascade,
		})
	}
	return write(tx, clusterDraftBucket, []byte(d.ID), doc)
}

func readClusterDraft(tx *bbolt.Tx, id string) (config.Draft, error) {
	bucket := tx.Bucket([]byte(clusterDraftBucket))
	if bucket == nil || bucket.Get([]byte(id)) == nil {
		return config.Draft{}, &lb.NotFoundError{ID: config.Draft{ID: id}.Name()}
	}
	var doc clusterDraftDoc
	if err := decode(clusterDraftBucket, []byte(id), bucket.Get([]byte(id)), &doc); err != nil {
		return config.Draft{}, err
	}
	d := config.Draft{
		ID: doc.ID, Author: doc.Author, Message: doc.Message, Listed: doc.Listed, Begun: doc.Begun, Changed: doc.Changed,
		Number: doc.Number, Base: doc.Base, Inject: doc.Inject, At: doc.At,
	}
	for _, e := range doc.Edits {
		d.Edits = append(d.Edits, config.DraftEdit{Number: e.Number, Author: e.Author, Time: e.Time, Edit: config.Edit{
			Op: e.Op, Kind: config.Kind(e.Kind), ID: e.ID, Body: []byte(e.Body), IsXML: e.XML, To: e.To, Cascade: e.Cascade,
		}})
	}
	return d, nil
}
