package routes

import (
	"slices"
	"sync/atomic"
	"time"
)

// A Usage has the counters of a route since it was added or changed.
type Usage struct {
	Path string
	// Answers are the requests that were answered, by the class of the status: 1xx, which
	// are websockets, to 5xx.
	Answers map[string]uint64
	// Seconds is the total duration of these requests. A websocket counts from its beginning to its
	// end.
	Seconds float64
	Open    int // requests under way
}

// usage counts the answers of a place.
type usage struct {
	answers [5]atomic.Uint64
	took    atomic.Int64 // ns
}

// classes are the names of the counters of usage.
func classes() []string { return []string{"1xx", "2xx", "3xx", "4xx", "5xx"} }

// Count counts a request that was answered with a status, or refused, after some time.
func (p *Place) Count(status int, took time.Duration) {
	class := min(max(status/100, 1), len(p.usage.answers)) - 1
	p.usage.answers[class].Add(1)
	p.usage.took.Add(int64(took))
}

// Usage is that of each route, in no particular order. A nil Router has none.
func (r *Router) Usage() []Usage {
	if r == nil {
		return nil
	}
	places := *r.current.Load()
	out := make([]Usage, 0, len(places))
	for _, p := range places {
		u := Usage{Path: p.route.Path, Answers: map[string]uint64{}, Seconds: time.Duration(p.usage.took.Load()).Seconds(), Open: len(p.free)}
		for i, name := range slices.All(classes()) {
			u.Answers[name] = p.usage.answers[i].Load()
		}
		out = append(out, u)
	}
	return out
}
