package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"
)

// orderBucket has what is known of ordered certificates, in the form of package acme. It is
// not part of a revision: going back to one brings no former certificate back. A file may
// lack it, and damage in it is no reason not to open the file.
const orderBucket = "orders"

// SaveOrder stores a document in JSON under a key, and returns when it is on disk.
func (d *DB) SaveOrder(ctx context.Context, key string, doc []byte) error {
	return d.update(ctx, "storing an order of a certificate", func(tx *bbolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists([]byte(orderBucket)); err != nil {
			return err
		}
		return write(tx, orderBucket, []byte(key), json.RawMessage(doc))
	})
}

// DeleteOrder removes the document with that key, if there is one.
func (d *DB) DeleteOrder(ctx context.Context, key string) error {
	return d.update(ctx, "removing an order of a certificate", func(tx *bbolt.Tx) error {
		if bucket := tx.Bucket([]byte(orderBucket)); bucket != nil {
			return bucket.Delete([]byte(key))
		}
		return nil
	})
}

// LoadOrders are the stored documents by key. Those that cannot be read are left out, and
// the error names them.
func (d *DB) LoadOrders(ctx context.Context) (map[string][]byte, error) {
	docs := map[string][]byte{}
	var broken error
	err := d.view(ctx, "loading orders of certificates", func(tx *bbolt.Tx) error {
		return eachDoc(tx, orderBucket, func(key []byte, doc json.RawMessage, err error) error {
			if err != nil {
				broken = errors.Join(broken, fmt.Errorf("%s: %w", entryName(orderBucket, key), err))
				return nil
			}
			docs[string(key)] = doc
			return nil
		})
	})
	return docs, errors.Join(err, broken)
}
