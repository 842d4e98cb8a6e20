package stats

import "time"

// An answer about servers costs HAProxy about lineTime for each of them, in its event
// loop, one buffer at a time. HAProxy is queried about servers so often that this stays
// within a share of its time. The share depends on HAProxy's load and on whether anybody
// follows the figures. In between, queries are about frontends and backends alone.
const (
	lineTime  = 7 * time.Microsecond // HAProxy 2.6: 63 ms for 10,000
	idleShare = 4                    // at most a quarter of the time of a HAProxy that
	idleFrom  = 80                   // is idle for this percentage,
	busyShare = 100                  // a hundredth of the time of a busy one,
	restShare = 200                  // and half of that without subscribers
	// A HAProxy that waits for a processor may report that it is idle (see load). It counts
	// as busy if an answer takes starved times as long as usual, and
	// then rests up to twice as long.
	starved = 3
)

// A throttle limits how often HAProxy is queried about servers. The zero value means
// that it was not queried yet.
type throttle struct {
	asked        time.Time     // last query
	betweenTicks bool          // it was between two ticks
	lines        int           // in its answer
	took         time.Duration // to answer
	idle         int           // percentage of HAProxy's time then
}

// rest is how long HAProxy is not queried about servers again; watched: there are
// subscribers.
func (t throttle) rest(watched bool) time.Duration {
	usual := time.Duration(t.lines) * lineTime
	share := busyShare
	switch {
	case !watched:
		share = restShare
	case t.idle >= idleFrom && t.took < starved*usual:
		share = idleShare
	}
	return min(max(t.took, usual), 2*usual) * time.Duration(share)
}

// isDue reports whether the query of a tick includes servers; interval is the time
// between two ticks.
func (t throttle) isDue(now time.Time, watched bool, interval time.Duration) bool {
	rest := t.rest(watched)
	if t.betweenTicks {
		rest = max(rest, interval/2) // a shorter time makes no rates
	}
	// A tick may be a little early.
	return t.asked.IsZero() || now.Sub(t.asked) >= rest-interval/10
}
