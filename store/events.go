package store

import (
	"context"

	"go.etcd.io/bbolt"

	"thalassa/activity"
)

// AppendEvents stores events under the numbers they have, all or none, and drops
// those that are too old. Storing an event again replaces it. It makes the DB an
// activity.Store, with Events and LastSeq.
func (d *DB) AppendEvents(ctx context.Context, events []activity.Event) error {
	return d.update(ctx, "storing activity", func(tx *bbolt.Tx) error {
		var head eventsHead
		if err := read(tx, eventsKey, &head); err != nil {
			return err
		}
		bucket := tx.Bucket([]byte(eventBucket))
		for _, e := range events {
			if bucket.Get(number(e.Seq)) == nil {
				head.Count++
			}
			if err := write(tx, eventBucket, number(e.Seq), e); err != nil {
				return err
			}
			head.Last = max(head.Last, e.Seq)
		}
		c := bucket.Cursor()
		for key, _ := c.First(); key != nil && head.Count > d.maxEvents; key, _ = c.First() {
			if err := c.Delete(); err != nil {
				return err
			}
			head.Count--
		}
		return write(tx, metaBucket, []byte(eventsKey), head)
	})
}

// Events answers a query, ascending by Seq, never with nil.
func (d *DB) Events(ctx context.Context, q activity.Query) ([]activity.Event, error) {
	page := q.Page()
	err := d.view(ctx, "reading activity", func(tx *bbolt.Tx) error {
		c := tx.Bucket([]byte(eventBucket)).Cursor()
		first, step := func() ([]byte, []byte) { return c.Seek(number(q.Since + 1)) }, c.Next
		if q.Newest() {
			first, step = func() ([]byte, []byte) { return below(c, q.Before) }, c.Prev
		}
		for key, value := first(); key != nil; key, value = step() {
			var e activity.Event
			if err := decode(eventBucket, key, value, &e); err != nil {
				return err
			}
			if e.Seq <= q.Since { // walking back
				break
			}
			if !page.Add(e) {
				break
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page.Events(), nil
}

// LastSeq is the number of the newest event ever stored; 0: none was.
func (d *DB) LastSeq(ctx context.Context) (uint64, error) {
	var head eventsHead
	err := d.view(ctx, "reading the number of the last event", func(tx *bbolt.Tx) error {
		return read(tx, eventsKey, &head)
	})
	return head.Last, err
}
