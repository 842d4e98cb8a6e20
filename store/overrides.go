package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// An overrideDoc is a stored override of a member. It is not part of a revision: it ends
// by itself, and going back to a revision does not bring it back.
type overrideDoc struct {
	Backend string    `json:"backend"`
	Host    string    `json:"host"`
	Port    int       `json:"port"`
	State   string    `json:"state"`
	Weight  string    `json:"weight,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	Reason  string    `json:"reason,omitempty"`
	Author  string    `json:"author,omitempty"`
	Cause   string    `json:"cause,omitempty"`
	Time    time.Time `json:"time"`
}

// SaveOverrides replaces the stored overrides of all members, all or none.
func (d *DB) SaveOverrides(ctx context.Context, list []lb.Override) error {
	return d.update(ctx, "storing overrides of members", func(tx *bbolt.Tx) error {
		err := tx.DeleteBucket([]byte(overrideBucket))
		if err != nil && tx.Bucket([]byte(overrideBucket)) != nil {
			return err
		}
		if _, err := tx.CreateBucketIfNotExists([]byte(overrideBucket)); err != nil {
			return err
		}
		for _, o := range list {
			if err := write(tx, overrideBucket, []byte(overrideKey(o)), overrideDocument(o)); err != nil {
				return err
			}
		}
		return nil
	})
}

// LoadOverrides are the stored overrides. Those that cannot be read are left out, and the
// error names them.
func (d *DB) LoadOverrides(ctx context.Context) ([]lb.Override, error) {
	var list []lb.Override
	var broken error
	err := d.view(ctx, "loading overrides of members", func(tx *bbolt.Tx) error {
		list, broken = overrides(tx)
		return nil
	})
	return list, errors.Join(err, broken)
}

func overrideKey(o lb.Override) string { return string(o.Backend) + "/" + o.Member.String() }

// overrides are those that can be read; the error names the others.
func overrides(tx *bbolt.Tx) (list []lb.Override, broken error) {
	_ = eachDoc(tx, overrideBucket, func(key []byte, doc overrideDoc, err error) error { // which goes over all of them
		if err == nil {
			var o lb.Override
			if o, err = doc.override(); err == nil {
				list = append(list, o)
				return nil
			}
		}
		broken = errors.Join(broken, fmt.Errorf("%s: %w", entryName(overrideBucket, key), err))
		return nil
	})
	return list, broken
}

func overrideDocument(o lb.Override) overrideDoc {
	doc := overrideDoc{
		Backend: string(o.Backend), Host: string(o.Member.Host), Port: int(o.Member.Port), State: o.State,
		Until: o.Until.UTC().Round(0), Reason: o.Reason,
		Author: o.Origin.Author, Cause: o.Origin.Cause, Time: o.Origin.Time.UTC().Round(0),
	}
	if o.Weight.IsSet {
		doc.Weight = o.Weight.String()
	}
	return doc
}

// override checks what haproxy.cfg depends on.
func (doc overrideDoc) override() (lb.Override, error) {
	backend, err := lb.ParseName(doc.Backend)
	if err != nil {
		return lb.Override{}, err
	}
	spec := lb.MemberChangeSpec{State: doc.State, Weight: doc.Weight, Reason: doc.Reason}
	change, err := spec.Parse(backend, "")
	if err != nil {
		return lb.Override{}, err
	}
	host, err := lb.ParseHost(doc.Host)
	if err != nil {
		return lb.Override{}, err
	}
	if doc.Port < 1 || doc.Port > 65535 {
		return lb.Override{}, fmt.Errorf("%d is not a port", doc.Port)
	}
	change.Origin = lb.Origin{Author: doc.Author, Cause: doc.Cause, Time: doc.Time}
	o := change.Override(lb.HostPort{Host: host, Port: uint16(doc.Port)}, lb.Override{})
	o.Until = doc.Until
	return o, nil
}
