package acme

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// storeTime bounds the wait for the store.
const storeTime = 10 * time.Second

// Bounds of what is kept of certificates that nobody asks for any more.
const (
	keptAfterEnd = 30 * 24 * time.Hour
	maxRecords   = 5000
)

// A ledger owns the records: those on this node's disk, and what all nodes know of them.
type ledger struct {
	store  Store
	keys   Keys
	shared *documents // nil: this node orders on its own
	logger *slog.Logger
	// adopted is called with the former record when another node's certificate has replaced it.
	adopted func(ctx context.Context, identity string, before *record)

	writing sync.Mutex // guards changes of records

	mu      sync.Mutex // guards what follows; nothing waits while it is held
	records map[string]*record
	unsaved map[string]bool // identities whose record is not on disk
}

// restore uses a record that an earlier run has stored.
func (l *ledger) restore(identity string, doc []byte) error {
	var r record
	if err := json.Unmarshal(doc, &r); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[identity] = &r
	return nil
}

// record is what is known of an identity; never nil.
func (l *ledger) record(identity string) *record {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r := l.records[identity]; r != nil {
		return r
	}
	return &record{}
}

// isAhead reports whether the other nodes do not have what this node knows of an order.
func (l *ledger) isAhead(identity string) bool {
	return l.shared != nil && l.shared.lacks(identity, l.record(identity))
}

// update stores a changed record, and uses it from then on. After an error the former one
// is in use.
func (l *ledger) update(ctx context.Context, identity string, change func(*record)) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	next := *l.record(identity)
	change(&next)
	// What has been done at the server is stored though the attempt ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if l.shared == nil {
		return l.save(ctx, identity, &next)
	}
	next.Sequence++
	if e := l.shared.find(recordPrefix + identity); e.record != nil {
		next.Sequence = max(next.Sequence, e.record.Record.Sequence+1)
	}
	if err := l.shared.put(ctx, identity, &next); err != nil {
		return &waitError{text: "storing the state of the order for all nodes: " + errorText(err)}
	}
	// From now on it holds; the copy on this disk is for times without Consul.
	if err := l.save(ctx, identity, &next); err != nil {
		l.logger.ErrorContext(ctx, "the state of an order is not on this node's disk", "error", err)
		l.use(identity, &next, true)
	}
	return nil
}

// updateHere is update for what is of this node alone.
func (l *ledger) updateHere(ctx context.Context, identity string, change func(*record)) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	next := *l.record(identity)
	change(&next)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	return l.save(ctx, identity, &next)
}

// remember uses a record that cannot be stored now as long as this run lasts.
func (l *ledger) remember(identity string, change func(*record)) {
	l.writing.Lock()
	defer l.writing.Unlock()
	next := *l.record(identity)
	change(&next)
	l.use(identity, &next, true)
}

// fetch takes over what all nodes know of an order now, or lets them know what this one does.
// The caller has the lock of the order.
func (l *ledger) fetch(ctx context.Context, identity string) error {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	found, err := l.shared.fetch(ctx, identity)
	if err != nil {
		return err
	}
	if found != nil {
		if err := l.adopt(ctx, identity, found); err != nil {
			return &waitError{text: "storing what another node has ordered: " + err.Error()}
		}
	}
	if l.isAhead(identity) {
		return l.update(ctx, identity, func(*record) {})
	}
	return nil
}

// adopt takes over a record that another node has stored, if it is newer. After an error
// nothing has changed.
func (l *ledger) adopt(ctx context.Context, identity string, s *sealedRecord) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	before := l.record(identity)
	if !s.Record.isNewer(before) {
		return nil
	}
	if err := l.keys.Put(s.texts()); err != nil {
		return err
	}
	next := s.Record
	next.StandIn = before.StandIn
	if err := l.save(ctx, identity, &next); err != nil {
		return err
	}
	if !slices.EqualFunc(before.Files, next.Files, func(a, b pemFile) bool { return a.Digest == b.Digest }) {
		l.adopted(ctx, identity, before)
	}
	return nil
}

// save stores a record on this node's disk, and uses it from then on. The caller holds
// writing.
func (l *ledger) save(ctx context.Context, identity string, r *record) error {
	doc, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := l.store.SaveOrder(ctx, recordPrefix+identity, doc); err != nil {
		return fmt.Errorf("storing the state of the order: %w", err)
	}
	l.use(identity, r, false)
	return nil
}

// use uses a record from now on. The caller holds writing.
func (l *ledger) use(identity string, r *record, isUnsaved bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.records[identity] = r
	if isUnsaved {
		l.unsaved[identity] = true
	} else {
		delete(l.unsaved, identity)
	}
}

// saveUnsaved stores records that are in use and not on disk.
func (l *ledger) saveUnsaved(ctx context.Context) {
	l.writing.Lock()
	defer l.writing.Unlock()
	l.mu.Lock()
	left := slices.Sorted(maps.Keys(l.unsaved))
	l.mu.Unlock()
	for _, identity := range left {
		short, cancel := context.WithTimeout(ctx, storeTime)
		err := l.save(short, identity, l.record(identity))
		cancel()
		if err != nil {
			return
		}
	}
}

// keysInUse adds the digests of all texts in Keys that records name.
func (l *ledger) keysInUse(inUse map[string]bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range l.records {
		for _, digest := range r.digests() {
			inUse[digest] = true
		}
	}
}

// forget removes records that nobody asks for, and whose certificates have long ended.
func (l *ledger) forget(ctx context.Context, now time.Time, isWanted func(identity string) bool) error {
	l.mu.Lock()
	records := maps.Clone(l.records)
	l.mu.Unlock()
	var gone []string
	for identity, r := range records {
		leaf, ok := r.leaf()
		isOld := !ok || now.Sub(leaf.NotAfter) > keptAfterEnd
		if !isWanted(identity) && r.Order == nil && (isOld || len(records)-len(gone) > maxRecords) {
			gone = append(gone, identity)
		}
	}
	for _, identity := range gone {
		if err := l.store.DeleteOrder(ctx, recordPrefix+identity); err != nil {
			return err
		}
		l.mu.Lock()
		delete(l.records, identity)
		l.mu.Unlock()
	}
	return nil
}
