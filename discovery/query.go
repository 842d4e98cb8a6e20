package discovery

import (
	"context"
	"time"

	"thalassa/consul"
)

const (
	// minPause is the least time between the end of a query and the next one
	// of the same kind; a burst of changes costs a query each minPause.
	minPause = 10 * time.Millisecond
	// maxQuick bounds how often the pause doubles while queries return at once
	// without news, as they do for a service that does not exist whenever
	// anything else in the catalog changes.
	maxQuick = 5
	// prompt is what counts as returning at once.
	prompt = time.Second
	// restFactor times the cost of reading an answer is spent resting, so that
	// a large catalog that never stands still takes a fraction of a processor,
	// ours and Consul's: writing all checks down costs it several times what
	// reading them costs us. What an answer costs beyond credit only is rested
	// for at once: a catalog that stands still as a rule gets its changes told
	// without a pause.
	restFactor = 20
	credit     = 200 * time.Millisecond
	maxRest    = 10 * time.Second
)

// A query is the state of one thing that is asked for again and again: at most
// one request is under way for it.
type query struct {
	busy   bool
	cancel context.CancelFunc // ends the request under way
	index  uint64             // to block on; 0: answer at once
	due    time.Time          // no request before
	quick  int                // blocking requests in a row that returned at once without news
	spent  time.Duration      // cost of answers that was not rested for at last
	last   time.Time          // when that was summed up

	failures int // requests in a row without a usable answer
	outage   bool
	problem  string // the reason of the last failure; empty after an answer
}

// ready reports whether a request may start.
func (q *query) ready(now time.Time) bool { return !q.busy && !q.due.After(now) }

// fail counts a failure and backs off. The next request does not block: Consul
// may come back with another state, where the old index blocks for long.
//
// An answer that cannot be used is asked for again at least every patience:
// nothing else would tell that it is usable again.
func (q *query) fail(t consul.Failure, now time.Time, patience time.Duration, random float64) {
	q.failures++
	q.outage, q.problem = t.Outage, t.Reason
	q.index = 0
	pause := backoff(q.failures, random)
	if !t.Outage {
		pause = min(pause, patience)
	}
	q.due = now.Add(pause)
}

// succeed notes an answer: the index to wait on next, and a pause.
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

// rest counts what an answer has cost and says how long to rest for it.
func (q *query) rest(cost time.Duration, now time.Time) time.Duration {
	q.spent = max(0, q.spent-now.Sub(q.last)/restFactor) + cost
	q.last = now
	return min(restFactor*max(0, q.spent-credit), maxRest)
}

// restart asks from the beginning after the index went backwards.
func (q *query) restart(now time.Time) {
	q.index = 0
	q.quick = min(q.quick+1, maxQuick)
	q.due = now.Add(minPause << q.quick)
}
