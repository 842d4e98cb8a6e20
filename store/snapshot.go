package store

import (
	"context"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// SaveSnapshot replaces the stored snapshot.
func (d *DB) SaveSnapshot(ctx context.Context, s lb.Snapshot) error {
	return d.update(ctx, "storing consul's answers", func(tx *bbolt.Tx) error {
		return write(tx, snapshotBucket, []byte(snapshotKey), s)
	})
}

// LoadSnapshot is the snapshot saved last, an empty one when none was. An error
// does not mean that the rest of the store is damaged: the snapshot is a copy of
// what Consul will say again.
func (d *DB) LoadSnapshot(ctx context.Context) (lb.Snapshot, error) {
	var s lb.Snapshot
	err := d.view(ctx, "loading consul's answers", func(tx *bbolt.Tx) error {
		return read(tx, snapshotBucket, []byte(snapshotKey), &s)
	})
	if err != nil {
		return lb.Snapshot{}, err
	}
	return s, nil
}
