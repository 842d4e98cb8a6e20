package discovery

import (
	"iter"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// unusablePace is the time that each of many unusable answers adds to the pause
// before it is requested again.
const unusablePace = 20 * time.Millisecond

// An outage is what is known of Consul being away. The zero value means that it never
// was.
type outage struct {
	noted           bool      // a query fails because of it, as logged last
	since           time.Time // when that was logged
	recoveringUntil time.Time // until then, Consul may not know all services again
}

// note notes the first of the queries that fails because of an outage, and the end of
// the last such failure. It returns what is to be logged.
func (o *outage) note(queries iter.Seq[*query], now time.Time) []note {
	reason := ""
	for q := range queries {
		if q.outage {
			reason = q.problem
			break
		}
	}
	switch fails := reason != ""; {
	case fails && !o.noted:
		o.noted, o.since = true, now
		return []note{{kind: noteOutage, reason: reason}}
	case !fails && o.noted:
		o.noted = false
		return []note{{kind: noteOutageOver}}
	}
	return nil
}

// isRecent reports whether an outage lasts that was noted within a time.
func (o *outage) isRecent(now time.Time, within time.Duration) bool {
	return o.noted && now.Sub(o.since) < within
}

// expectRecovery notes that Consul was away, or has another state. For a while, it
// may not know all services.
func (o *outage) expectRecovery(now time.Time, while time.Duration) {
	o.recoveringUntil = now.Add(while)
}

// maxRetryPause is the maximum pause before an unusable answer is requested again:
// one second, or more if there are many.
func maxRetryPause(queries iter.Seq[*query]) time.Duration {
	n := 0
	for q := range queries {
		if q.failures > 0 && !q.outage {
			n++
		}
	}
	return max(time.Second, time.Duration(n)*unusablePace)
}

// fail notes a failure of a query, and backs off.
func (s *schedule) fail(q *query, name lb.Name, f consul.Failure, now time.Time) {
	if !f.Outage && (q.failures == 0 || q.outage) {
		s.notes = append(s.notes, note{kind: noteUnusable, service: name, reason: f.Reason})
	}
	q.fail(f, now, maxRetryPause(s.queries), s.random())
}

// succeed notes an answer to a query. If that ends an outage, the other queries
// that failed in it are repeated now.
func (s *schedule) succeed(q *query, name lb.Name, r result, news bool, now time.Time) {
	failed, outage := q.failures > 0, q.outage
	q.succeed(r, news, now)
	if failed && !outage {
		s.notes = append(s.notes, note{kind: noteUsable, service: name})
	}
	if outage {
		s.retryFailed(now, 0)
	}
}

// retryFailed repeats all queries that failed in an outage soon, because Consul
// answers again. Each adds pace to the time over which they are spread: they may
// still fail.
func (s *schedule) retryFailed(now time.Time, pace time.Duration) {
	n := 0
	for q := range s.queries {
		if q.outage {
			n++
		}
	}
	for q := range s.queries {
		if at := now.Add(time.Duration(s.random() * float64(n) * float64(pace))); q.outage && q.due.After(at) {
			q.due = at
		}
	}
}
