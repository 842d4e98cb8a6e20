package discovery

import (
	"time"

	"thalassa/lb"
)

// A service is the state of one wanted service, and of its query.
type service struct {
	query
	name    lb.Name
	current lb.Service
	known   bool // current is part of the snapshot
	// blocking: the request under way is a blocking one. recent: the last request
	// was, and no other service took its slot.
	blocking, recent bool
	// preempted: the blocking request under way was canceled for another service.
	preempted bool
	// outdated: it has changed, or may have, since its last request began.
	outdated bool
	// changedAt is when it changed last, or was added.
	changedAt time.Time
	// refreshDue is when to request it although nothing suggests a change. epoch is
	// that of the catalog when its last successful request began.
	refreshDue time.Time
	epoch      uint64
	// serviceDigest is the digest of its checks in its own last answer, and nodes
	// are those of its instances there. catalogDigest is the digest in the answer
	// about all checks, when the two were compared last.
	serviceDigest, catalogDigest uint64
	nodes                        []string
	// recheck is when to compare the two again. rechecks counts the consecutive
	// comparisons in which they differed.
	recheck  time.Time
	rechecks int
	leftOut  map[leftOut]bool // logged already
	// count is the number of instances in the last answer. base is the maximum of
	// the recent answers, and baseAt its time if count is smaller; see recentMax.
	// down has the time since when HAProxy has found a held instance down.
	count, base int
	baseAt      time.Time
	down        map[lb.HostPort]time.Time
}

// recentMax is the maximum number of instances within lossWindow.
func (svc *service) recentMax(now time.Time) int {
	if svc.count < svc.base && now.Sub(svc.baseAt) >= lossWindow {
		return svc.count
	}
	return svc.base
}

// setCount sets the number of instances.
func (svc *service) setCount(count int, now time.Time) {
	base := svc.recentMax(now)
	switch {
	case count >= base:
		base = count
	case svc.count == base: // it was so until now
		svc.baseAt = now
	}
	svc.base, svc.count = base, count
}

// resetCount sets the number of instances, and forgets earlier ones.
func (svc *service) resetCount(count int) { svc.base, svc.count = count, count }

// urgent reports whether its instances are unknown, not confirmed or outdated.
func (svc *service) urgent() bool { return svc.index == 0 || svc.outdated }
