package failover

import (
	"slices"
	"time"

	"thalassa/cluster"
)

// exactly is an instant that a log has.
func exactly(t time.Time) Instant { return Instant{t, t} }

// second is an instant that was kept in whole seconds.
func second(t time.Time) Instant { return Instant{t, t.Add(time.Second)} }

// plus is an instant a duration later.
func (i Instant) plus(d time.Duration) Instant {
	if !i.Earliest.IsZero() {
		i.Earliest = i.Earliest.Add(d)
	}
	if !i.Latest.IsZero() {
		i.Latest = i.Latest.Add(d)
	}
	return i
}

// ranFrom and ranTo are when an operation began and ended. Pacemaker keeps the second in
// which one began that is done once; of a recurring one, the second in which its result
// changed, or that in which it began if its first result was good.
func ranFrom(o cluster.OperationResult) Instant {
	i := second(o.Time)
	if o.IntervalMS > 0 {
		i.Earliest = i.Earliest.Add(-took(o))
	}
	return i
}

func ranTo(o cluster.OperationResult) Instant {
	i := second(o.Time)
	if o.IntervalMS == 0 {
		i.Earliest = i.Earliest.Add(took(o))
	}
	i.Latest = i.Latest.Add(took(o))
	return i
}

func took(o cluster.OperationResult) time.Duration {
	return time.Duration(o.DurationMS) * time.Millisecond
}

// span is the time between two instants. Of what is exact to the second only, it is at least
// 0, even where the clocks of two nodes differ.
func span(begin, end Instant) Span {
	s := Span{0, -1}
	if !begin.Latest.IsZero() && !end.Earliest.IsZero() {
		s.MinMS = max(0, end.Earliest.Sub(begin.Latest).Milliseconds())
	}
	if !begin.Earliest.IsZero() && !end.Latest.IsZero() {
		s.MaxMS = max(s.MinMS, end.Latest.Sub(begin.Earliest).Milliseconds())
	}
	return s
}

// bounded gives the instants of a list that are not known the bounds of those before and
// after them. Known ones stay as they are.
func bounded(list []*Instant) {
	var early time.Time
	for _, i := range list {
		if i.Earliest.IsZero() {
			i.Earliest = early
		} else {
			early = i.Earliest
		}
	}
	var late time.Time
	for _, i := range slices.Backward(list) {
		if i.Latest.IsZero() {
			i.Latest = late
		} else {
			late = i.Latest
		}
		if !i.Latest.IsZero() && i.Latest.Before(i.Earliest) { // clocks of two nodes
			i.Latest = i.Earliest
		}
	}
}
