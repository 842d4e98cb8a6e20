package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/internal/strictjson"
	"thalassa/lb"
	"thalassa/stage"
)

// draftBucket has the drafts: id → draftDoc. A file may lack it.
const draftBucket = "drafts"

// A draftDoc is a stored stage.Draft. It is not part of a revision before it is committed.
type draftDoc struct {
	draftHead

	Objects []draftObjectDoc `json:"objects"`
	Edits   []draftEditDoc   `json:"edits,omitempty"` // not in backups
}

type draftEditDoc struct {
	Number  uint64           `json:"number"`
	Author  string           `json:"author,omitempty"`
	Cause   string           `json:"cause,omitempty"`
	Time    time.Time        `json:"time"`
	Objects []string         `json:"objects"`
	Before  []draftObjectDoc `json:"before,omitempty"`
	Final   bool             `json:"final,omitempty"`
}

// A draftHead is a draft without its objects.
type draftHead struct {
	ID      string    `json:"id"`
	Message string    `json:"message,omitempty"`
	Author  string    `json:"author,omitempty"`
	Cause   string    `json:"cause,omitempty"`
	Time    time.Time `json:"time"`
	Changed time.Time `json:"changed"`
}

func (h draftHead) draft() stage.Draft {
	return stage.Draft{
		ID: h.ID, Origin: lb.Origin{Author: h.Author, Cause: h.Cause, Message: h.Message, Time: h.Time}, Changed: h.Changed,
	}
}

type draftObjectDoc struct {
	ID    string          `json:"id"`
	Base  string          `json:"base,omitempty"`
	After json.RawMessage `json:"after"`
}

// Drafts are the drafts in a database.
type Drafts struct{ db *DB }

func plainDraftList() draftList {
	return draftList{draftBucket, "drafts", stage.MaxDrafts, "delete"}
}

// NewDrafts are those of a database.
func NewDrafts(db *DB) Drafts { return Drafts{db} }

func draftID(id string) string { return plainDraftList().id(id) }

// CreateDraft stores a new draft. Without an ID it gets a number that was never one. The
// error is an *lb.ConflictError when there is a draft with the ID, or when there are
// stage.MaxDrafts already.
func (d Drafts) CreateDraft(ctx context.Context, draft stage.Draft) (stage.Draft, error) {
	err := d.db.update(ctx, "storing a draft", func(tx *bbolt.Tx) error {
		var err error
		if draft.ID, err = plainDraftList().choose(tx, draft.ID); err != nil {
			return err
		}
		return writeDraft(tx, draft)
	})
	return draft, err
}

// UpdateDraft changes a draft, unless change returns an error. Other writers wait meanwhile.
// The error is an *lb.NotFoundError, or that of change.
func (d Drafts) UpdateDraft(ctx context.Context, id string, change func(stage.Draft) (stage.Draft, error)) (stage.Draft, error) {
	var next stage.Draft
	err := d.db.update(ctx, "storing a draft", func(tx *bbolt.Tx) error {
		draft, err := readDraft(tx, id)
		if err != nil {
			return err
		}
		if next, err = change(draft); err != nil {
			return err
		}
		return writeDraft(tx, next)
	})
	return next, err
}

// DeleteDraft removes a draft; *lb.NotFoundError when there is none of that ID.
func (d Drafts) DeleteDraft(ctx context.Context, id string) error {
	return plainDraftList().delete(ctx, d.db, "deleting a draft", id)
}

// Draft is one of the drafts; *lb.NotFoundError when there is none of that ID.
func (d Drafts) Draft(ctx context.Context, id string) (draft stage.Draft, err error) {
	err = d.db.view(ctx, "loading a draft", func(tx *bbolt.Tx) error {
		draft, err = readDraft(tx, id)
		return err
	})
	return draft, err
}

// DraftHeads lists all drafts without their objects.
func (d Drafts) DraftHeads(ctx context.Context) ([]stage.Draft, error) {
	list := []stage.Draft{}
	err := d.db.view(ctx, "loading drafts", func(tx *bbolt.Tx) error {
		return eachDoc(tx, draftBucket, func(_ []byte, head draftHead, err error) error {
			list = append(list, head.draft())
			return err
		})
	})
	return list, err
}

// Drafts lists all drafts with their objects, which may take much memory.
func (d Drafts) Drafts(ctx context.Context) ([]stage.Draft, error) {
	list := []stage.Draft{}
	err := d.db.view(ctx, "loading drafts", func(tx *bbolt.Tx) (err error) {
		list, err = drafts(tx)
		return err
	})
	return list, err
}

func drafts(tx *bbolt.Tx) ([]stage.Draft, error) {
	list := []stage.Draft{}
	bucket := tx.Bucket([]byte(draftBucket))
	if bucket == nil {
		return list, nil
	}
	err := bucket.ForEach(func(id, _ []byte) error {
		draft, err := readDraft(tx, string(id))
		list = append(list, draft)
		return err
	})
	return list, err
}

func writeDraft(tx *bbolt.Tx, draft stage.Draft) error {
	doc, err := draftDocument(draft)
	if err != nil {
		return err
	}
	for _, e := range draft.Edits {
		before, err := draftObjectDocuments(e.Before)
		if err != nil {
			return err
		}
		doc.Edits = append(doc.Edits, draftEditDoc{
			Number: e.Number, Author: e.Author, Cause: e.Cause, Time: e.Time.UTC().Round(0), Objects: e.Objects, Before: before, Final: e.IsFinal,
		})
	}
	return write(tx, draftBucket, []byte(draft.ID), doc)
}

func draftDocument(draft stage.Draft) (draftDoc, error) {
	doc := draftDoc{draftHead: draftHead{
		ID: draft.ID, Message: draft.Origin.Message, Author: draft.Origin.Author, Cause: draft.Origin.Cause,
		Time: draft.Origin.Time.UTC().Round(0), Changed: draft.Changed.UTC().Round(0),
	}}
	var err error
	doc.Objects, err = draftObjectDocuments(draft.Objects)
	return doc, err
}

func draftObjectDocuments(objects []stage.DraftObject) ([]draftObjectDoc, error) {
	out := make([]draftObjectDoc, len(objects))
	for i, o := range objects {
		out[i] = draftObjectDoc{ID: o.ID, Base: o.Base, After: json.RawMessage("null")}
		if o.After == nil {
			continue
		}
		after, err := encodeObject(o.After)
		if err != nil {
			return nil, err
		}
		out[i].After = after
	}
	return out, nil
}

func readDraft(tx *bbolt.Tx, id string) (stage.Draft, error) {
	bucket := tx.Bucket([]byte(draftBucket))
	if bucket == nil || bucket.Get([]byte(id)) == nil {
		return stage.Draft{}, &lb.NotFoundError{ID: draftID(id)}
	}
	var doc draftDoc
	if err := decode(draftBucket, []byte(id), bucket.Get([]byte(id)), &doc); err != nil {
		return stage.Draft{}, err
	}
	return doc.draft()
}

func (doc draftDoc) draft() (stage.Draft, error) {
	draft := doc.draftHead.draft()
	var err error
	if draft.Objects, err = doc.objects(doc.Objects); err != nil {
		return stage.Draft{}, err
	}
	for _, e := range doc.Edits {
		edit := stage.DraftEdit{Number: e.Number, Author: e.Author, Cause: e.Cause, Time: e.Time, Objects: e.Objects, IsFinal: e.Final}
		if edit.Before, err = doc.objects(e.Before); err != nil {
			return stage.Draft{}, err
		}
		draft.Edits = append(draft.Edits, edit)
	}
	return draft, nil
}

func (doc draftDoc) objects(docs []draftObjectDoc) ([]stage.DraftObject, error) {
	out := make([]stage.DraftObject, len(docs))
	for i, o := range docs {
		out[i] = stage.DraftObject{ID: o.ID, Base: o.Base}
		if strictjson.IsAbsent(o.After) {
			continue
		}
		after, err := decodeObject(o.ID, o.After)
		if err != nil {
			return nil, fmt.Errorf("%s in draft %s: %w", o.ID, doc.ID, err)
		}
		out[i].After = after
	}
	return out, nil
}
