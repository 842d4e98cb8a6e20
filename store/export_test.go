package store

import "go.etcd.io/bbolt"

// PutSchema makes a file claim another schema.
func PutSchema(n int) func(tx *bbolt.Tx) error {
	return func(tx *bbolt.Tx) error {
		return write(tx, metaBucket, []byte(schemaKey), schemaEntry{Schema: n})
	}
}
