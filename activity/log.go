package activity

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"thalassa/internal/wake"
)

// TailSize is the minimum number of the newest events that a Log keeps in memory; the maximum is
// twice that. If events are large there are fewer: they take at most MaxBytes.
const TailSize = 1000

// storeTimeout bounds one attempt to store events.
const storeTimeout = 5 * time.Second

// retryInterval is the time between two attempts of Run to store what is
// missing.
const retryInterval = 10 * time.Second

// A Store stores events. Its methods may be called concurrently.
type Store interface {
	// AppendEvents stores events, all or none; they are ascending by Seq, which
	// the caller has assigned.
	AppendEvents(ctx context.Context, events []Event) error
	// Events answers a query; see Query.
	Events(ctx context.Context, q Query) ([]Event, error)
	// LastSeq is the sequence number of the newest stored event; 0: none.
	LastSeq(ctx context.Context) (uint64, error)
}

// A Log numbers events, stores them through a Store, keeps the newest in
// memory and wakes waiting readers. Make it with NewLog. All methods
// may be called concurrently.
//
// While the Store fails, events are served from memory and stored by the next
// Record, Flush or round of Run that finds it working again. Events that have left
// memory by then are missing in the store. This is logged once when the
// store fails and once when it works again.
type Log struct {
	store  Store
	now    func() time.Time
	logger *slog.Logger

	changed wake.Signal
	storing chan struct{} // one slot: whoever fills it may append to the store

	mu         sync.Mutex
	tailBytes  int     // of tail, see Event.Size
	tail       []Event // ascending; elements never change, so a reader may keep the slice
	last       uint64  // Seq of the newest event
	stored     uint64  // events after it are not in the store yet
	unwritable bool    // the last attempt to store failed
	unreadable bool    // the last attempt to read failed
	lost       uint64  // events that left memory before they could be stored
}

// NewLog continues the log of the store: numbers continue after its newest
// event. It fails only if the store cannot be read.
func NewLog(ctx context.Context, store Store, now func() time.Time, logger *slog.Logger) (*Log, error) {
	last, err := store.LastSeq(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the number of the last event: %w", err)
	}
	tail, err := store.Events(ctx, Query{Limit: TailSize})
	if err != nil {
		return nil, fmt.Errorf("reading the newest events: %w", err)
	}
	l := &Log{
		store: store, now: now, logger: logger,
		storing: make(chan struct{}, 1),
		tail:    tail, last: last, stored: last,
	}
	for _, e := range tail {
		l.tailBytes += e.Size()
	}
	return l, nil
}

// Note logs e as Record does, but leaves storing it to the next Flush, Record or
// round of Run: it never waits for a disk. Readers see the event at once.
func (l *Log) Note(e Event) {
	l.add(e.normalized())
	l.changed.Broadcast()
}

// Record logs e under the next number and the present time; Seq, Type and Time
// of e are ignored. Readers see it at once. When Record returns, the event is
// stored too, unless the store fails: that is logged, never returned. The event is
// stored even if ctx ends.
func (l *Log) Record(ctx context.Context, e Event) {
	l.Note(e)
	_ = l.Flush(ctx) // has been logged
}

func (l *Log) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.Seq, e.Time = l.last, l.now().UnixMilli()
	if len(l.tail) >= 2*TailSize {
		l.forget(len(l.tail) - TailSize + 1)
	}
	l.tail, l.tailBytes = append(l.tail, e), l.tailBytes+e.Size()
	if l.tailBytes > MaxBytes {
		n, size := 0, l.tailBytes
		for ; size > MaxBytes/2 && n < len(l.tail)-1; n++ {
			size -= l.tail[n].Size()
		}
		l.forget(n)
	}
}

// forget drops the oldest n events from memory. The caller holds mu.
func (l *Log) forget(n int) {
	for _, e := range l.tail[:n] {
		l.tailBytes -= e.Size()
	}
	l.tail = slices.Clone(l.tail[n:])
}

// Flush stores the events that are not stored yet. The first error after a success is
// logged.
func (l *Log) Flush(ctx context.Context) error {
	l.storing <- struct{}{}
	defer func() { <-l.storing }()
	missing := l.unwritten()
	if len(missing) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTimeout)
	defer cancel()
	err := l.store.AppendEvents(ctx, missing)
	l.commit(ctx, missing, err)
	if err != nil {
		return fmt.Errorf("storing %d events: %w", len(missing), err)
	}
	return nil
}

// unwritten lists the events in memory that are not stored.
func (l *Log) unwritten() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.tail)
	for i > 0 && l.tail[i-1].Seq > l.stored {
		i--
	}
	return l.tail[i:len(l.tail):len(l.tail)]
}

// commit records the result of an attempt to store events.
func (l *Log) commit(ctx context.Context, events []Event, err error) {
	l.mu.Lock()
	before := l.unwritable
	l.unwritable = err != nil
	if err == nil {
		l.lost += events[0].Seq - l.stored - 1
		l.stored = events[len(events)-1].Seq
	}
	lost := l.lost
	if err == nil {
		l.lost = 0
	}
	l.mu.Unlock()
	switch {
	case err != nil && !before:
		l.logger.ErrorContext(ctx, "storing activity failed, events are kept in memory", "error", err)
	case err == nil && before:
		l.logger.InfoContext(ctx, "storing activity works again", "caught_up", len(events), "lost", lost)
	}
}

// Run stores the missing events as soon as the store works again,
// even if no new event is recorded. It returns nil when ctx ends, after a last
// attempt. A Log works without it.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(retryInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = l.Flush(ctx) // has been logged
		case <-ctx.Done():
			_ = l.Flush(ctx) // has been logged
			return nil
		}
	}
}

// Events answers a query, never with nil. While the store cannot be read, only events
// in memory are found. The only error is that of ctx.
func (l *Log) Events(ctx context.Context, q Query) ([]Event, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	tail := l.tail
	l.mu.Unlock()
	recent := q.Select(tail)
	switch {
	case len(tail) == 0, tail[0].Seq <= q.Since+1: // nothing older could match
		return recent, nil
	case q.Newest() && len(recent) == q.Size():
		return recent, nil
	}
	kept, err := l.store.Events(ctx, q)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if failed := l.noteRead(ctx, err); failed {
		return recent, nil
	}
	return q.Select(merge(kept, tail)), nil
}

// noteRead records the result of an attempt to read stored events.
func (l *Log) noteRead(ctx context.Context, err error) (failed bool) {
	l.mu.Lock()
	before := l.unreadable
	l.unreadable = err != nil
	l.mu.Unlock()
	switch {
	case err != nil && !before:
		l.logger.ErrorContext(ctx, "reading stored activity failed, only recent events are shown", "error", err)
	case err == nil && before:
		l.logger.InfoContext(ctx, "reading stored activity works again")
	}
	return err != nil
}

// merge joins two lists ascending by Seq into one without duplicates.
func merge(older, newer []Event) []Event {
	if len(newer) == 0 {
		return older
	}
	out := slices.Clone(older)
	for len(out) > 0 && out[len(out)-1].Seq >= newer[0].Seq {
		out = out[:len(out)-1] // in memory as well
	}
	return append(out, newer...)
}

// Last is the number of the newest event; 0 when there is none.
func (l *Log) Last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

// Wait returns nil as soon as an event newer than since exists, or ctx's error.
func (l *Log) Wait(ctx context.Context, since uint64) error {
	for {
		next := l.changed.Next() // taken before the check, so that no event is missed
		if l.Last() > since {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
