package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"

	"go.etcd.io/bbolt"

	"thalassa/backup"
	"thalassa/internal/strictjson"
	"thalassa/lb"
	"thalassa/stage"
)

// The kinds of entries of a backup. A reader refuses any other.
const (
	objectEntry = "object" // frontendDoc, backendDoc, certificateDoc or sectionDoc by id
	memberEntry = "member" // overrideDoc by backend/address
	draftEntry  = "draft"  // draftDoc by ID
)

// Backups makes backups of a database, and reads them.
type Backups struct{ db *DB }

// NewBackups are those of a database.
func NewBackups(db *DB) Backups { return Backups{db} }

// WriteBackup writes a backup of one moment: frontends and backends, what is asked for
// single members, and drafts. It sets the revision of the header. The error is a
// *backup.TooLargeError, or that of w; nothing is written before all has been read.
//
// keys gives the keys of the certificates in the backup, encrypted; nil: they are left out.
func (b Backups) WriteBackup(ctx context.Context, w io.Writer, h backup.Header, keys func(stage.Backup) ([]byte, error)) error {
	var all stage.Backup
	var staged entries
	err := b.db.view(ctx, "reading what a backup has", func(tx *bbolt.Tx) error {
		var head intentHead
		err := read(tx, intentKey, &head)
		if err != nil {
			return err
		}
		all.Intent = lb.NewIntent()
		all.Intent.Revision = head.Revision
		docs, err := objects(tx)
		if err != nil {
			return err
		}
		if err := addObjects(all.Intent, docs); err != nil {
			return err
		}
		all.Members, _ = overrides(tx) // the agent knows none that cannot be read
		staged, all.Drafts, err = draftEntries(tx)
		return err
	})
	if err == nil && keys != nil {
		all.Keys, err = keys(all)
	}
	if err != nil {
		return err
	}
	all.Drafts = nil // staged has them
	out, err := entriesOf(all)
	if err != nil {
		return err
	}
	h.Revision = all.Intent.Revision
	return backup.Write(w, h, append(out, staged...))
}

// draftEntries are the drafts as they are stored, which takes less memory than their
// values, and the drafts with their certificates alone. Each draft is checked. Those that no
// backup could hold are a *backup.TooLargeError.
func draftEntries(tx *bbolt.Tx) (out entries, certificates []stage.Draft, err error) {
	bucket := tx.Bucket([]byte(draftBucket))
	if bucket == nil {
		return nil, nil, nil
	}
	size := 0
	err = bucket.ForEach(func(id, value []byte) error {
		draft, err := readDraft(tx, string(id))
		if err != nil {
			return err
		}
		draft.Objects = slices.DeleteFunc(draft.Objects, func(o stage.DraftObject) bool { return !isCertificate(o) })
		draft.Edits = nil
		certificates = append(certificates, draft)
		var doc draftDoc
		if err := decode(draftBucket, id, value, &doc); err != nil {
			return err
		}
		doc.Edits = nil
		if err := out.add(draftEntry, string(id), doc); err != nil {
			return err
		}
		if size += len(out[len(out)-1].Doc); size > backup.MaxBytes {
			return &backup.TooLargeError{Size: size}
		}
		return nil
	})
	return out, certificates, err
}

func isCertificate(o stage.DraftObject) bool {
	_, is := o.After.(lb.Certificate)
	return is
}

// ReadBackup calls the function ReadBackup.
func (Backups) ReadBackup(r io.Reader) (backup.Header, stage.Backup, error) { return ReadBackup(r) }

// WriteBackup writes a backup, sorted, so that equal values give equal entries. It sets the
// revision of the header. The error is a *backup.TooLargeError, or that of w.
func WriteBackup(w io.Writer, h backup.Header, b stage.Backup) error {
	h.Revision = b.Intent.Revision
	out, err := entriesOf(b)
	if err != nil {
		return err
	}
	return backup.Write(w, h, out)
}

// entriesOf are the entries of what a backup has.
func entriesOf(b stage.Backup) (out entries, err error) {
	docs, err := documents(b.Intent)
	if err != nil {
		return nil, err
	}
	for _, id := range slices.Sorted(maps.Keys(docs)) {
		out = append(out, backup.Entry{Kind: objectEntry, ID: id, Doc: docs[id]})
	}
	for _, o := range lb.NewOverrides(b.Members).All() {
		if err := out.add(memberEntry, overrideKey(o), overrideDocument(o)); err != nil {
			return nil, err
		}
	}
	for _, d := range b.Drafts {
		doc, err := draftDocument(d)
		if err != nil {
			return nil, err
		}
		if err := out.add(draftEntry, d.ID, doc); err != nil {
			return nil, err
		}
	}
	if len(b.Keys) > 0 {
		if err := out.add(backup.KeysKind, keysID, keysDoc{b.Keys}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// keysID is the id of the entry with the keys.
const keysID = "certificates"

type entries []backup.Entry

func (e *entries) add(kind, id string, doc any) error {
	data, err := json.Marshal(doc)
	*e = append(*e, backup.Entry{Kind: kind, ID: id, Doc: data})
	return err
}

// ReadBackup reads a backup, and checks all of it. It changes nothing. The error is an
// *lb.InvalidError that names what is wrong, or that of r.
func ReadBackup(r io.Reader) (backup.Header, stage.Backup, error) {
	in := &backupReader{Backup: stage.Backup{Intent: lb.NewIntent()}}
	h, err := backup.Read(r, in.add)
	if damaged, ok := errors.AsType[*backup.Error](err); ok {
		return h, stage.Backup{}, &lb.InvalidError{Fields: []lb.FieldError{{Path: "body", Problem: damaged.Error()}}}
	}
	if err == nil {
		err = in.bad.Err()
	}
	if err == nil {
		err = in.check()
	}
	if err != nil {
		return h, stage.Backup{}, err
	}
	in.Intent.Revision = h.Revision
	return h, in.Backup, nil
}

// A backupReader collects what a backup has, and what is wrong with it.
type backupReader struct {
	stage.Backup

	bad lb.FieldErrors
}

// add reads one entry. What is wrong with it is collected: the digest at the end of the
// backup may say more.
func (r *backupReader) add(e backup.Entry) error {
	var err error
	switch e.Kind {
	case objectEntry:
		err = r.addObject(e)
	case memberEntry:
		err = r.addMember(e)
	case draftEntry:
		err = r.addDraft(e)
	case backup.KeysKind:
		err = r.addKeys(e)
	default:
		err = fmt.Errorf("is not known here, expected %s, %s, %s or %s", objectEntry, memberEntry, draftEntry, backup.KeysKind)
	}
	r.note(e.Kind+" "+strconv.Quote(e.ID), err)
	return nil
}

// addKeys keeps the encrypted keys. Whether they can be decrypted is not known here.
func (r *backupReader) addKeys(e backup.Entry) error {
	var doc keysDoc
	if err := decodeExact(e.Doc, &doc); err != nil {
		return err
	}
	if e.ID != keysID || len(doc.Age) == 0 {
		return errors.New("is damaged, expected the keys of certificates")
	}
	r.Keys = doc.Age
	return nil
}

// note collects an error about something in the backup; nil is none.
func (r *backupReader) note(name string, err error) {
	invalid, ok := errors.AsType[*lb.InvalidError](err)
	switch {
	case err == nil:
	case ok:
		for _, f := range invalid.Fields {
			r.bad.Add(name+"."+f.Path, f.Problem, f.Expected)
		}
	default:
		r.bad.Add(name, err.Error(), "")
	}
}

func (r *backupReader) addObject(e backup.Entry) error {
	o, err := exactObject(e.ID, e.Doc)
	if err == nil {
		r.Intent.Put(o)
	}
	return err
}

func (r *backupReader) addMember(e backup.Entry) error {
	var doc overrideDoc
	if err := decodeExact(e.Doc, &doc); err != nil {
		return err
	}
	o, err := doc.override()
	if err != nil {
		return err
	}
	if overrideKey(o) != e.ID {
		return errors.New("is about another member, " + overrideKey(o))
	}
	r.Members = append(r.Members, o)
	return nil
}

func (r *backupReader) addDraft(e backup.Entry) error {
	var doc draftDoc
	if err := decodeExact(e.Doc, &doc); err != nil {
		return err
	}
	if _, err := lb.ParseName(doc.ID); err != nil || doc.ID != e.ID {
		return fmt.Errorf("has the ID %q, expected %q", doc.ID, e.ID)
	}
	for i, o := range doc.Objects {
		if i > 0 && o.ID <= doc.Objects[i-1].ID {
			return errors.New("does not have its objects in the order of their ids")
		}
		if strictjson.IsAbsent(o.After) {
			continue
		}
		if _, err := exactObject(o.ID, o.After); err != nil {
			r.note("draft "+strconv.Quote(e.ID)+"."+o.ID, err)
			return nil
		}
	}
	d, err := doc.draft()
	if err != nil {
		return err
	}
	if err := d.Check(); err != nil {
		return err
	}
	r.Drafts = append(r.Drafts, d)
	return nil
}

// check checks what no single entry can know.
func (r *backupReader) check() error {
	var fe lb.FieldErrors
	if n := len(r.Members); n > lb.MaxOverrides {
		fe.Add("member", strconv.Itoa(n)+" members have a setting", "at most "+strconv.Itoa(lb.MaxOverrides))
	}
	if n := len(r.Drafts); n > stage.MaxDrafts {
		fe.Add("draft", "there are "+strconv.Itoa(n), "at most "+strconv.Itoa(stage.MaxDrafts))
	}
	fe.AddErr("object", r.Intent.Validate())
	return fe.Err()
}

// exactObject is decodeObject, and refuses documents with unknown fields.
func exactObject(id string, data []byte) (lb.Object, error) {
	if err := checkFields(id, data); err != nil {
		return nil, err
	}
	return decodeObject(id, data)
}

// checkFields refuses a document of an object with fields that are not known here: a newer
// program wrote them, and they would be lost.
func checkFields(id string, data []byte) error {
	var backend backendDoc
	doc, ok := lb.ByKind[any](lb.KindOf(id), &frontendDoc{}, &backend, &sectionDoc{}, &certificateDoc{})
	if !ok {
		return nil // decodeObject refuses it
	}
	if err := strictjson.Decode(data, doc); err != nil {
		return err
	}
	if strictjson.IsAbsent(backend.Members) {
		return nil
	}
	var members []memberDoc
	return strictjson.DecodeAt("members", backend.Members, &members)
}

// decodeExact decodes a document that has times, without unknown fields.
func decodeExact(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	return d.Decode(v)
}
