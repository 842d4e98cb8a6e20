package store

import "go.etcd.io/bbolt"

// PutObject makes a file hold another document under an id, checksum and all.
func PutObject(id, doc string) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		return replace(tx.Bucket([]byte(objectBucket)), []byte(id), []byte(doc))
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
