package store

import (
	"context"
	"maps"
	"sync"
	"time"

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

// SaveSnapshot replaces the stored snapshot. What did not change since the last call costs nothing;
// the time at which Consul confirmed an unchanged service is not stored.
func (d *DB) SaveSnapshot(ctx context.Context, s lb.Snapshot) error {
	d.saved.mu.Lock()
	defer d.saved.mu.Unlock()
	if d.saved.services == nil {
		err := d.update(ctx, "storing consul's answers", func(tx *bbolt.Tx) error { return replaceServices(tx, s.Services) })
		if err == nil {
			d.saved.services = maps.Clone(s.Services)
		}
		return err
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
			if err := write(tx, snapshotBucket, []byte(service.Name), serviceDocument(service)); err != nil {
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

// replaceServices writes all services again.
func replaceServices(tx *bbolt.Tx, services map[lb.Name]lb.Service) error {
	if err := tx.DeleteBucket([]byte(snapshotBucket)); err != nil {
		return err
	}
	if _, err := tx.CreateBucket([]byte(snapshotBucket)); err != nil {
		return err
	}
	for name, service := range services {
		if err := write(tx, snapshotBucket, []byte(name), serviceDocument(service)); err != nil {
			return err
		}
	}
	return nil
}

// LoadSnapshot returns the snapshot saved last; an empty one when none was. An error does not mean
// that the rest of the store is damaged: Consul will provide its content again.
func (d *DB) LoadSnapshot(ctx context.Context) (lb.Snapshot, error) {
	s := lb.Snapshot{Services: map[lb.Name]lb.Service{}}
	err := d.view(ctx, "loading consul's answers", func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(snapshotBucket)).ForEach(func(key, value []byte) error {
			var doc serviceDoc
			if err := decode(snapshotBucket, key, value, &doc); err != nil {
				return err
			}
			s.Services[lb.Name(key)] = doc.service()
			return nil
		})
	})
	if err != nil {
		return lb.Snapshot{}, err
	}
	return s, nil
}

// serviceDoc is a stored answer of Consul.
type serviceDoc struct {
	Name      lb.Name       `json:"name"`
	Index     uint64        `json:"index"`
	Seen      time.Time     `json:"seen"`
	Stale     string        `json:"stale,omitempty"`
	Instances []instanceDoc `json:"instances"`
	Hold      *holdDoc      `json:"hold,omitempty"`
}

type instanceDoc struct {
	ID      string            `json:"id"`
	Node    string            `json:"node"`
	Address addressDoc        `json:"address"`
	Version lb.Version        `json:"version,omitempty"`
	Tags    []string          `json:"tags,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
	Weight  int               `json:"weight"`
	Status  string            `json:"status"`
	Healthy bool              `json:"healthy"`
	Held    bool              `json:"held,omitempty"`
}

type addressDoc struct {
	Host lb.Host `json:"host"`
	Port uint16  `json:"port"`
}

type holdDoc struct {
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until,omitzero"`
	Lost   int       `json:"lost"`
	Reason string    `json:"reason"`
	Doubt  lb.Doubt  `json:"doubt,omitempty"`
}

func serviceDocument(s lb.Service) serviceDoc {
	doc := serviceDoc{Name: s.Name, Index: s.Index, Seen: s.Seen, Stale: s.Stale}
	if s.Instances != nil {
		doc.Instances = make([]instanceDoc, len(s.Instances))
	}
	for i, in := range s.Instances {
		doc.Instances[i] = instanceDoc{
			ID: in.ID, Node: in.Node, Address: addressDoc(in.Address), Version: in.Version, Tags: in.Tags, Meta: in.Meta,
			Weight: in.Weight, Status: in.Status, Healthy: in.Healthy, Held: in.Held,
		}
	}
	if s.Hold != nil {
		hold := holdDoc(*s.Hold)
		doc.Hold = &hold
	}
	return doc
}

func (d serviceDoc) service() lb.Service {
	s := lb.Service{Name: d.Name, Index: d.Index, Seen: d.Seen, Stale: d.Stale}
	if d.Instances != nil {
		s.Instances = make([]lb.Instance, len(d.Instances))
	}
	for i, in := range d.Instances {
		s.Instances[i] = lb.Instance{
			ID: in.ID, Node: in.Node, Address: lb.HostPort(in.Address), Version: in.Version, Tags: in.Tags, Meta: in.Meta,
			Weight: in.Weight, Status: in.Status, Healthy: in.Healthy, Held: in.Held,
		}
	}
	if d.Hold != nil {
		hold := lb.Hold(*d.Hold)
		s.Hold = &hold
	}
	return s
}
