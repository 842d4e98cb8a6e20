package store

import (
	"errors"

	"go.etcd.io/bbolt"
)

// PutObject makes a file hold another document under an id, checksum and all.
func PutObject(id, doc string) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		return replace(tx.Bucket([]byte(objectBucket)), []byte(id), []byte(doc))
	}
}

// PutIntact makes a file hold one more document, as a program of another version would have
// written it: the head fits.
func PutIntact(id, doc string) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte(objectBucket))
		if err := b.Put([]byte(id), sealed(objectBucket, []byte(id), []byte(doc))); err != nil {
			return err
		}
		docs := map[string][]byte{}
		err := b.ForEach(func(key, value []byte) error {
			one, err := opened(objectBucket, key, value)
			docs[string(key)] = one
			return err
		})
		var head intentHead
		if err := errors.Join(err, read(tx, intentKey, &head)); err != nil {
			return err
		}
		head.Objects, head.Digest = len(docs), digest(docs)
		return write(tx, metaBucket, []byte(intentKey), head)
	}
}

// PutSchema makes a file claim another schema.
func PutSchema(n int) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		return write(tx, metaBucket, []byte(schemaKey), schemaEntry{Schema: n})
	}
}

// Documents as they are stored.
var (
	DecodeFrontend    = decodeFrontend
	DecodeBackend     = decodeBackend
	EncodePersistence = encodePersistence
)

// Schema is the format that a file claims; 0: none.
func Schema(tx *bbolt.Tx) int {
	var entry schemaEntry
	_ = read(tx, schemaKey, &entry) // which a test would notice
	return entry.Schema
}
