package activity

import (
	"slices"
	"strings"
	"time"
)

// Bounds of Query.Limit.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// MaxBytes bounds the events of one answer, see Event.Size: it ends with the event that
// reaches it, and has fewer events than asked for then. The next query finds the rest.
const MaxBytes = 8 << 20

// A Query selects events. The zero value asks for the newest DefaultLimit.
type Query struct {
	// Since is the sequence number of the last event that the reader has. The answer is
	// the first Limit events after it, so that a reader that repeats the query with the
	// last number it got misses none. 0: the newest
	// Limit events.
	Since uint64
	// Before excludes the event of that sequence number and all newer ones, so
	// that a reader can go back page by page. 0: none is excluded.
	Before uint64
	// SinceTime excludes events before it. Zero: none is excluded.
	SinceTime time.Time
	// Filter is a text that verb, object id, cause, author, reasons, diff or error
	// must contain; case is ignored. Empty: all events match.
	Filter string
	// Limit is the maximum number of events, at most MaxLimit; 0: DefaultLimit.
	Limit int
	// Last selects the newest Limit events even with Since.
	Last bool
}

// Size is the maximum number of events in the answer.
func (q Query) Size() int {
	if q.Limit <= 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}

// Newest reports whether the query wants the newest of the matching events
// rather than the first ones after Since.
func (q Query) Newest() bool { return q.Last || q.Since == 0 }

// Match reports whether e matches the query, apart from the limit.
func (q Query) Match(e Event) bool {
	if e.Seq <= q.Since || q.Before > 0 && e.Seq >= q.Before {
		return false
	}
	if !q.SinceTime.IsZero() && e.Time < q.SinceTime.UnixMilli() {
		return false
	}
	return q.Filter == "" || e.contains(strings.ToLower(q.Filter))
}

// A Page collects the events that answer a query. The zero value is of no use: see
// Query.Page.
type Page struct {
	q      Query
	events []Event
	bytes  int
}

// Page is an empty answer.
func (q Query) Page() *Page { return &Page{q: q, events: []Event{}} }

// Add adds an event if it matches, and reports whether the answer has room for more. Events
// come in the order of the query: the newest first if it wants the newest.
func (p *Page) Add(e Event) (room bool) {
	if p.q.Match(e) {
		p.events, p.bytes = append(p.events, e), p.bytes+e.Size()
	}
	return len(p.events) < p.q.Size() && p.bytes < MaxBytes
}

// Events are the events of the answer, ascending by Seq, never nil. Nothing can be added
// after that.
func (p *Page) Events() []Event {
	if p.q.Newest() {
		slices.Reverse(p.events)
	}
	return p.events
}

// Select returns the events that answer the query, ascending by Seq, as events
// must be.
func (q Query) Select(events []Event) []Event {
	page := q.Page()
	if q.Newest() {
		for _, e := range slices.Backward(events) {
			if !page.Add(e) {
				break
			}
		}
		return page.Events()
	}
	for _, e := range events {
		if !page.Add(e) {
			break
		}
	}
	return page.Events()
}

// contains reports whether the event's text contains lower, which is in lower case.
func (e Event) contains(lower string) bool {
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), lower) }
	return in(string(e.Verb)) || in(e.Object.ID) || in(e.Cause) || in(e.Author) || in(e.Error) ||
		slices.ContainsFunc(e.Reasons, in) || slices.ContainsFunc(e.Diff, in)
}
