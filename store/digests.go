package store

import (
	"bytes"
	"context"
	"errors"

	"go.etcd.io/bbolt"

	"thalassa/lb"
)

// KeysInUse returns the digests of the files of all certificates that the stored objects, drafts,
// what an undo brings back to these, and revisions name.
func (d *DB) KeysInUse(ctx context.Context) (map[string]bool, error) {
	inUse := map[string]bool{}
	note := func(objects ...lb.Object) {
		for _, o := range objects {
			if c, ok := o.(lb.Certificate); ok {
				for _, digest := range c.Digests() {
					inUse[digest] = true
				}
			}
		}
	}
	in, err := d.Load(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range in.Certificates {
		note(c)
	}
	drafts := NewDrafts(d)
	heads, err := drafts.DraftHeads(ctx)
	if err != nil {
		return nil, err
	}
	for _, head := range heads { // together they may be large
		draft, err := drafts.Draft(ctx, head.ID)
		if errors.As(err, new(*lb.NotFoundError)) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, o := range draft.Objects {
			note(o.After)
		}
		for _, e := range draft.Edits { // an undo brings these back
			for _, o := range e.Before {
				note(o.After)
			}
		}
	}
	err = d.view(ctx, "reading which certificates are in use", func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(revisionBucket)).ForEach(func(key, value []byte) error {
			if !bytes.Contains(value, []byte(`"certificate/`)) {
				return nil
			}
			rev, err := decodeRevision(key, value)
			for _, c := range rev.Changes {
				note(c.Before, c.After)
			}
			return err
		})
	})
	return inUse, err
}
