package history

import (
	"slices"
	"time"
)

// A span is an interval of time, both ends included.
type span struct{ from, to time.Time }

func (s span) has(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// spans are intervals in any order, which may overlap.
type spans []span

// near are those that overlap an interval.
func (s spans) near(from, to time.Time) spans {
	return slices.DeleteFunc(slices.Clone(s), func(o span) bool { return o.to.Before(from) || o.from.After(to) })
}

func (s spans) has(t time.Time) bool {
	return slices.ContainsFunc(s, func(o span) bool { return o.has(t) })
}

// cover reports whether they have a whole interval.
func (s spans) cover(from, to time.Time) bool {
	sorted := s.near(from, to)
	slices.SortFunc(sorted, func(a, b span) int { return a.from.Compare(b.from) })
	for _, o := range sorted {
		if o.from.After(from) {
			return false
		}
		if o.to.After(from) {
			from = o.to
		}
		if !from.Before(to) {
			return true
		}
	}
	return false
}
