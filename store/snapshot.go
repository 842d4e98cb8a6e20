package store

import (
	"context"
	"maps"
	"sync"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// savedServices is what the file holds of the snapshot, so that saving the next
// one writes only what differs. Snapshots are immutable and share what did not
// change.
type savedServices struct {
	mu       sync.Mutex
	services map[lb.Name]lb.Service // nil: not known
}

// SaveSnapshot replaces the stored snapshot. What did not change since the last
// call costs nothing; when Consul confirmed a service without a change, the
// moment of that is not stored.
func (d *DB) SaveSnapshot(ctx context.Context, s lb.Snapshot) error {
	d.saved.mu.Lock()
	defer d.saved.mu.Unlock()
	if d.saved.services == nil {
		return d.replaceSnapshot(ctx, s)
	}
	changed, gone := []lb.Service{}, []lb.Name{}
	for name, service := range s.Services {
		if old, ok := d.saved.services[name]; !ok || !old.SameAnswer(service) {
			changed = append(changed, service)
		}
	}
	for name := range d.saved.services {
		if _, ok := s.Services[name]; !ok {
			gone = append(gone, name)
		}
	}
	if len(changed)+len(gone) == 0 {
		return nil
	}
	err := d.update(ctx, "storing consul's answers", func(tx *bbolt.Tx) error {
		for _, service := range changed {
			if err := write(tx, snapshotBucket, []byte(service.Name), service); err != nil {
				return err
			}
		}
		for _, name := range gone {
			if err := tx.Bucket([]byte(snapshotBucket)).Delete([]byte(name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		d.saved.services = nil // what the file holds is not known
		return err
	}
	d.saved.services = maps.Clone(s.Services)
	return nil
}

// replaceSnapshot writes every service anew. The caller holds saved.mu.
func (d *DB) replaceSnapshot(ctx context.Context, s lb.Snapshot) error {
	err := d.update(ctx, "storing consul's answers", func(tx *bbolt.Tx) error {
		if err := tx.DeleteBucket([]byte(snapshotBucket)); err != nil {
			return err
		}
		if _, err := tx.CreateBucket([]byte(snapshotBucket)); err != nil {
			return err
		}
		for name, service := range s.Services {
			if err := write(tx, snapshotBucket, []byte(name), service); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		d.saved.services = maps.Clone(s.Services)
	}
	return err
}

// LoadSnapshot is the snapshot saved last, an empty one when none was. An error
// does not mean that the rest of the store is damaged: the snapshot is a copy of
// what Consul will say again.
func (d *DB) LoadSnapshot(ctx context.Context) (lb.Snapshot, error) {
	s := lb.Snapshot{Services: map[lb.Name]lb.Service{}}
	err := d.view(ctx, "loading consul's answers", func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(snapshotBucket)).ForEach(func(key, value []byte) error {
			var service lb.Service
			if err := decode(snapshotBucket, key, value, &service); err != nil {
				return err
			}
			s.Services[lb.Name(key)] = service
			return nil
		})
	})
	if err != nil {
		return lb.Snapshot{}, err
	}
	return s, nil
}
