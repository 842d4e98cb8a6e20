package discovery

import (
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// unusablePace is the time that each of many unusable answers adds to the pause
// before it is requested again.
const unusablePace = 20 * time.Millisecond

// fail notes a failure of a query, and backs off.
func (s *schedule) fail(q *query, name lb.Name, f consul.Failure, now time.Time) {
	if !f.Outage && (q.failures == 0 || q.outage) {
		s.notes = append(s.notes, note{kind: noteUnusable, service: name, reason: f.Reason})
	}
	q.fail(f, now, s.maxRetryPause(), s.random())
}

// maxRetryPause is the maximum pause before an unusable answer is requested again:
// one second, or more if there are many.
func (s *schedule) maxRetryPause() time.Duration {
	n := 0
	for q := range s.queries {
		if q.failures > 0 && !q.outage {
			n++
		}
	}
	return max(time.Second, time.Duration(n)*unusablePace)
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

// noteOutage notes the first query that fails because of an outage, and the end of
// the last such failure.
func (s *schedule) noteOutage(now time.Time) {
	reason := ""
	for q := range s.queries {
		if q.outage {
			reason = q.problem
			break
		}
	}
	switch outage := reason != ""; {
	case outage && !s.outage:
		s.notes = append(s.notes, note{kind: noteOutage, reason: reason})
		s.outage, s.outageSince = true, now
	case !outage && s.outage:
		s.notes = append(s.notes, note{kind: noteOutageOver})
		s.outage = false
	}
}

// expectRecovery notes that Consul was away, or has another state. For a while, it
// may not know all services.
func (s *schedule) expectRecovery(now time.Time) { s.recoveringUntil = now.Add(s.policy.time) }
