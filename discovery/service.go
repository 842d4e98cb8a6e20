package discovery

import (
	"time"

	"thalassa/lb"
)

// A service is what is known of one wanted service, and how it is asked for.
type service struct {
	query
	name    lb.Name
	current lb.Service
	known   bool // current can be served
	// watching: the request under way is a blocking one; hot: the last one was,
	// and none took its slot.
	watching, hot bool
	// evicted: the blocking request under way was given up for a hotter service.
	evicted bool
	// dirty: it changed, or may have, since its last request began.
	dirty bool
	// heat is when it changed last, or was added.
	heat time.Time
	// sweep is when it is to be asked for again though nothing seems to have
	// happened, and epoch what the schedule's was when its last good request
	// began.
	sweep time.Time
	epoch uint64
	// serviceDigest is how its checks stand by its own last answer, nodes where that
	// found instances. catalogDigest is how they stood by the answer about all checks
	// when that was looked at last: when it came while no request was under
	// way, or when one ended.
	serviceDigest, catalogDigest uint64
	nodes                        []string
	// recheck is when to compare the two again; rechecks counts how often they
	// have differed since they last agreed.
	recheck  time.Time
	rechecks int
	leftOut  map[leftOut]bool // told already
	// count is the number of instances there were last, base the greatest lately,
	// and baseAt when there were so many last, where there are fewer now; see
	// lately. down is since when HAProxy has found what is held down.
	count, base int
	baseAt      time.Time
	down        map[lb.HostPort]time.Time
}

// recentMax is the greatest number of instances there were within lossWindow.
func (svc *service) recentMax(now time.Time) int {
	if svc.count < svc.base && now.Sub(svc.baseAt) >= lossWindow {
		return svc.count
	}
	return svc.base
}

// setCount counts the instances there are from now on.
func (svc *service) setCount(count int, now time.Time) {
	base := svc.recentMax(now)
	switch {
	case count >= base:
		base = count
	case svc.count == base: // until now
		svc.baseAt = now
	}
	svc.base, svc.count = base, count
}

// resetCount forgets how many there were.
func (svc *service) resetCount(count int) { svc.base, svc.count = count, count }

// urgent: what is served of it is missing, not confirmed or known to be old.
func (svc *service) urgent() bool { return svc.index == 0 || svc.dirty }
