package store

import (
	"context"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// An expiryDoc is the last expiry of a certificate that was announced by an event.
type expiryDoc struct {
	SHA256 string `json:"sha256"`
	Days   int    `json:"days"`
}

// SaveExpiries stores which expiry was announced, by the names of certificates. It replaces all
// that were stored.
func (d *DB) SaveExpiries(ctx context.Context, told map[lb.Name]lb.Expiry) error {
	return d.update(ctx, "storing told expiries of certificates", func(tx *bbolt.Tx) error {
		if tx.Bucket([]byte(expiryBucket)) != nil {
			if err := tx.DeleteBucket([]byte(expiryBucket)); err != nil {
				return err
			}
		}
		if _, err := tx.CreateBucket([]byte(expiryBucket)); err != nil {
			return err
		}
		for name, e := range told {
			if err := write(tx, expiryBucket, []byte(name), expiryDoc(e)); err != nil {
				return err
			}
		}
		return nil
	})
}

// LoadExpiries returns the expiries that were announced. One that cannot be read is left out, and
// so announced again.
func (d *DB) LoadExpiries(ctx context.Context) (map[lb.Name]lb.Expiry, error) {
	told := map[lb.Name]lb.Expiry{}
	err := d.view(ctx, "loading told expiries of certificates", func(tx *bbolt.Tx) error {
		return eachDoc(tx, expiryBucket, func(key []byte, doc expiryDoc, err error) error {
			if err == nil {
				told[lb.Name(key)] = lb.Expiry(doc)
			}
			return nil
		})
	})
	return told, err
}
