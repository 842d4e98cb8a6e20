package discovery

import (
	"time"

	"thalassa/consul"
)

const (
	// minPause is the minimum time between the end of a request and the next one.
	// A burst of changes costs a request per minPause.
	minPause = 10 * time.Millisecond
	// maxQuick limits how often the pause doubles while requests return at once
	// without a change. For a service that does not exist, they do so whenever
	// anything else in the catalog changes.
	maxQuick = 5
	// prompt is the maximum duration of a request that returns at once.
	prompt = time.Second
	// After an answer, the query pauses for restFactor times the cost of reading
	// it. A large catalog that always changes then takes a fraction of a
	// processor, here and in Consul, where writing all checks costs several times
	// as much. Costs up to credit cause no pause: if a catalog changes rarely, its
	// changes arrive without delay.
	restFactor = 20
	credit     = 200 * time.Millisecond
	maxRest    = 10 * time.Second
)

// A query is the state of something that is requested again and again, with at most
// one request at a time.
type query struct {
	busy  bool          // a request is under way
	index uint64        // to block on; 0: answer at once
	due   time.Time     // no request before
	quick int           // consecutive blocking requests that returned at once without a change
	spent time.Duration // cost of answers that no pause has made up for yet
	last  time.Time     // when spent was updated

	failures int // consecutive requests without a usable answer
	outage   bool
	problem  string // the reason of the last failure; empty after an answer
}

// ready reports whether a request may start.
func (q *query) ready(now time.Time) bool { return !q.busy && !q.due.After(now) }

// fail counts a failure and backs off. The next request does not block: Consul
// may come back with another state, in which the old index would block for long.
//
// An unusable answer is requested again after maxPause at the latest: nothing else
// shows that it is usable again.
func (q *query) fail(f consul.Failure, now time.Time, maxPause time.Duration, random float64) {
	q.failures++
	q.outage, q.problem = f.Outage, f.Reason
	q.index = 0
	pause := backoff(q.failures, random)
	if !f.Outage {
		pause = min(pause, maxPause)
	}
	q.due = now.Add(pause)
}

// succeed notes an answer: the index to block on next, and a pause.
func (q *query) succeed(r result, news bool, now time.Time) {
	q.failures, q.outage, q.problem = 0, false, ""
	q.index = max(1, r.meta.Index)
	switch {
	case news || r.took >= prompt:
		q.quick = 0
	case r.task.index > 0:
		q.quick = min(q.quick+1, maxQuick)
	}
	q.due = now.Add(max(minPause<<q.quick, q.rest(r.meta.Cost, now)))
}

// rest adds the cost of an answer and returns the pause that follows from it.
func (q *query) rest(cost time.Duration, now time.Time) time.Duration {
	q.spent = max(0, q.spent-now.Sub(q.last)/restFactor) + cost
	q.last = now
	return min(restFactor*max(0, q.spent-credit), maxRest)
}

// restart begins without an index after the index went backwards.
func (q *query) restart(now time.Time) {
	q.index = 0
	q.quick = min(q.quick+1, maxQuick)
	q.due = now.Add(minPause << q.quick)
}
