package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// maxConfigBytes limits the size of all texts in the file, compressed.
const maxConfigBytes = 32 << 20

// A packedText is the text of a haproxy.cfg as it is stored.
type packedText struct {
	Gzip []byte `json:"gzip"`
}

// An Archive holds the recorded texts of haproxy.cfg in a database.
type Archive struct{ db *DB }

// NewArchive returns the archive of a database.
func NewArchive(db *DB) Archive { return Archive{db} }

// RecordConfig stores a haproxy.cfg under the number after the newest one, which
// it returns; r.Number and r.Size do not matter. Old ones are dropped, see
// Options, and the newest one never is.
func (d Archive) RecordConfig(ctx context.Context, r lb.Recorded, text []byte) (uint64, error) {
	small, err := packed(text)
	if err != nil {
		return 0, fmt.Errorf("packing a configuration: %w", err)
	}
	r.Size, r.Time = len(text), r.Time.UTC().Round(0) // as it will be read
	err = d.db.update(ctx, "storing a configuration", func(tx *bbolt.Tx) error {
		for _, name := range []string{configBucket, textBucket} {
			if _, err := tx.CreateBucketIfNotExists([]byte(name)); err != nil {
				return err
			}
		}
		r.Number = 1
		if key, _ := tx.Bucket([]byte(configBucket)).Cursor().Last(); key != nil {
			r.Number = binary.BigEndian.Uint64(key) + 1
		}
		if err := write(tx, configBucket, number(r.Number), recordedDoc(r)); err != nil {
			return err
		}
		if err := write(tx, textBucket, number(r.Number), packedText{small}); err != nil {
			return err
		}
		return dropConfigs(tx, d.db.maxConfigs)
	})
	return r.Number, err
}

// dropConfigs drops the oldest texts until at most most are left, and their size is within
// maxConfigBytes.
func dropConfigs(tx *bbolt.Tx, most int) error {
	entries, texts := tx.Bucket([]byte(configBucket)), tx.Bucket([]byte(textBucket))
	kept, size := 0, 0
	var old [][]byte
	c := texts.Cursor()
	for key, value := c.Last(); key != nil; key, value = c.Prev() {
		kept, size = kept+1, size+len(value)
		if kept > 1 && (kept > most || size > maxConfigBytes) {
			old = append(old, bytes.Clone(key))
		}
	}
	for _, key := range old {
		if err := entries.Delete(key); err != nil {
			return err
		}
		if err := texts.Delete(key); err != nil {
			return err
		}
	}
	return nil
}

// Configs lists the recorded configurations before a number, newest first;
// before 0 it begins with the newest one. A limit of 0 means DefaultLimit, and
// no more than MaxLimit are answered; the slice is never nil.
func (d Archive) Configs(ctx context.Context, before uint64, limit int) ([]lb.Recorded, error) {
	if limit <= 0 {
		limit = DefaultLimit
	}
	out := []lb.Recorded{}
	err := d.db.view(ctx, "reading the recorded configurations", func(tx *bbolt.Tx) error {
		bucket := tx.Bucket([]byte(configBucket))
		if bucket == nil {
			return nil
		}
		c := bucket.Cursor()
		for key, value := below(c, before); key != nil && len(out) < min(limit, MaxLimit); key, value = c.Prev() {
			var doc recordedDoc
			if err := decode(configBucket, key, value, &doc); err != nil {
				return err
			}
			out = append(out, lb.Recorded(doc))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ConfigText is a recorded configuration with its text; *lb.NotFoundError when
// there is none of that number, or none any more.
func (d Archive) ConfigText(ctx context.Context, n uint64) (lb.Recorded, []byte, error) {
	var doc recordedDoc
	var p packedText
	err := d.db.view(ctx, "reading a recorded configuration", func(tx *bbolt.Tx) error {
		for name, v := range map[string]any{configBucket: &doc, textBucket: &p} {
			bucket := tx.Bucket([]byte(name))
			if bucket == nil {
				return &lb.NotFoundError{ID: configID(n)}
			}
			value := bucket.Get(number(n))
			if value == nil {
				return &lb.NotFoundError{ID: configID(n)}
			}
			if err := decode(name, number(n), value, v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return lb.Recorded{}, nil, err
	}
	text, err := unpacked(p.Gzip)
	if err != nil {
		return lb.Recorded{}, nil, fmt.Errorf("unpacking %s: %w", configID(n), err)
	}
	return lb.Recorded(doc), text, nil
}

// ConfigOf is the newest haproxy.cfg that is recorded for a revision, without its text;
// *lb.NotFoundError when there is none, or none any more.
func (d Archive) ConfigOf(ctx context.Context, revision uint64) (lb.Recorded, error) {
	var found recordedDoc
	err := d.db.view(ctx, "looking for a recorded configuration", func(tx *bbolt.Tx) error {
		none := &lb.NotFoundError{ID: "the haproxy.cfg of " + revisionID(revision)}
		bucket := tx.Bucket([]byte(configBucket))
		if bucket == nil {
			return none
		}
		c := bucket.Cursor()
		for key, value := c.Last(); key != nil; key, value = c.Prev() {
			var doc recordedDoc
			if err := decode(configBucket, key, value, &doc); err != nil {
				return err
			}
			if doc.Revision == revision {
				found = doc
				return nil
			}
		}
		return none
	})
	return lb.Recorded(found), err
}

func configID(n uint64) string { return "haproxy/configs/" + strconv.FormatUint(n, 10) }

func packed(text []byte) ([]byte, error) {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	if _, err := w.Write(text); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func unpacked(data []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// recordedDoc is what is stored of a haproxy.cfg beside its text.
type recordedDoc struct {
	Number      uint64    `json:"number"`
	Time        time.Time `json:"time"`
	Revision    uint64    `json:"revision"`
	Cause       string    `json:"cause,omitempty"`
	Author      string    `json:"author,omitempty"`
	Path        string    `json:"path"`
	Fingerprint string    `json:"fingerprint"`
	Size        int       `json:"size"`
}
