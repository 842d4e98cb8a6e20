package stats

import "time"

// What an answer about servers costs HAProxy: about lineTime for each, in its event
// loop, a buffer at a time. HAProxy is asked about them as often as that stays
// within the share of its time that is right for how busy it is and for who wants
// to know; in between it is asked about frontends and backends alone.
const (
	lineTime  = 7 * time.Microsecond // HAProxy 2.6: 63 ms for 10,000
	idleShare = 4                    // at most a quarter of the time of a HAProxy
	idleFrom  = 80                   // that idles so many percent of it,
	busyShare = 100                  // a hundredth of that of a busy one,
	restShare = 200                  // and half as much while nobody looks
	// A HAProxy that waits for a processor may believe that it idles (see load). It is
	// busy all the same when an answer takes starved times as long as it should, and
	// gets up to twice the rest for that.
	starved = 3
)

// A throttle limits how often HAProxy is asked about servers. The zero value is that of one
// that was not asked yet.
type throttle struct {
	asked        time.Time     // last
	betweenTicks bool          // that was between two ticks
	lines        int           // in its answer
	took         time.Duration // to answer
	idle         int           // percent of its time then
}

// rest is how long HAProxy is not asked about servers again; watched: somebody
// looks at them.
func (p throttle) rest(watched bool) time.Duration {
	usual := time.Duration(p.lines) * lineTime
	share := busyShare
	switch {
	case !watched:
		share = restShare
	case p.idle >= idleFrom && p.took < starved*usual:
		share = idleShare
	}
	return min(max(p.took, usual), 2*usual) * time.Duration(share)
}

// isDue says whether HAProxy is to be asked about servers in a tick, of which there
// is one in each interval.
func (p throttle) isDue(now time.Time, watched bool, interval time.Duration) bool {
	rest := p.rest(watched)
	if p.betweenTicks {
		rest = max(rest, interval/2) // a shorter time makes no rates
	}
	// A tick that is only just too early is in time.
	return p.asked.IsZero() || now.Sub(p.asked) >= rest-interval/10
}
