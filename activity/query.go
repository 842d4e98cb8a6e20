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

// A Query selects events. The zero value asks for the newest DefaultLimit.
type Query struct {
	// Since is the sequence number of the last event that the reader has: only
	// newer ones are wanted, the oldest of them first, so that a reader who
	// repeats the query with the last number it got misses none. 0: the newest
	// Limit events are wanted.
	Since uint64
	// Before leaves out the event of that sequence number and all newer ones, so
	// that a reader can go back page by page. 0: none is left out.
	Before uint64
	// SinceTime leaves out events before it. Zero: none is left out.
	SinceTime time.Time
	// Filter keeps events that hold this text, whatever its case, in verb,
	// object id, cause, author, reasons, diff or error. Empty: all.
	Filter string
	// Limit is the greatest number of events answered: 0 means DefaultLimit,
	// and no more than MaxLimit are.
	Limit int
	// Last asks for the newest Limit events even though Since is given.
	Last bool
}

// Size is the greatest number of events that answer the query.
func (q Query) Size() int {
	if q.Limit <= 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}

// Newest reports whether the query wants the newest of the matching events
// rather than the first ones after Since.
func (q Query) Newest() bool { return q.Last || q.Since == 0 }

// Match reports whether e is what the query asks for, apart from the limit.
func (q Query) Match(e Event) bool {
	if e.Seq <= q.Since || q.Before > 0 && e.Seq >= q.Before {
		return false
	}
	if !q.SinceTime.IsZero() && e.Time < q.SinceTime.UnixMilli() {
		return false
	}
	return q.Filter == "" || e.holds(strings.ToLower(q.Filter))
}

// Select returns the events that answer the query, ascending by Seq; events
// must be so, too.
func (q Query) Select(events []Event) []Event {
	out := []Event{}
	if q.Newest() {
		for _, e := range slices.Backward(events) {
			if len(out) == q.Size() {
				break
			}
			if q.Match(e) {
				out = append(out, e)
			}
		}
		slices.Reverse(out)
		return out
	}
	for _, e := range events {
		if len(out) == q.Size() {
			break
		}
		if q.Match(e) {
			out = append(out, e)
		}
	}
	return out
}

// holds reports whether the event's text holds lower, which is in lower case.
func (e Event) holds(lower string) bool {
	in := func(s string) bool { return strings.Contains(strings.ToLower(s), lower) }
	return in(string(e.Verb)) || in(e.Object.ID) || in(e.Cause) || in(e.Author) || in(e.Error) ||
		slices.ContainsFunc(e.Reasons, in) || slices.ContainsFunc(e.Diff, in)
}
