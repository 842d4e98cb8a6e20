package discovery

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"thalassa/lb"
)

const (
	// sweepEvery is how often a cold service is asked for at the latest, or where
	// there are many sweepShare for each: with a thousand that is five a second.
	sweepEvery = time.Minute
	sweepShare = 250 * time.Millisecond
	// sweepPace is the least time between two such requests.
	sweepPace = 10 * time.Millisecond
	// evictPace is the least time between two blocking requests given up: each
	// costs a connection, and services that change by turns could go on so.
	evictPace = 100 * time.Millisecond
	// initialTime is how long after the start a service that is wanted anew is
	// taken for the one that an earlier run knew.
	initialTime = time.Minute
	// firstRecheck is how long the two digests of a service may differ, as while
	// one of two answers is still on its way.
	firstRecheck = 250 * time.Millisecond
)

// A slot is a connection to be used.
type slot int

const (
	hotSlot slot = iota
	fetchSlot
	catalogSlot
)

// A task is one request to be made.
type task struct {
	slot    slot
	query   *query   // that it is for
	service *service // whose query that is; nil: one over the whole catalog
	index   uint64   // to block on; 0: answer at once
	epoch   uint64
}

// A schedule decides what to ask Consul and when. It does no I/O and reads no
// clock; one goroutine owns it.
type schedule struct {
	services map[lb.Name]*service
	byName   []*service // by name
	// initial is what an earlier run knew of services that were not wanted yet.
	initial map[lb.Name]lb.Service

	hot              int // blocking requests for single services at most
	hotBusy, fetched int // slots in use

	// The queries over the whole catalog, used when there are more services
	// than hot slots; and what they said, nil: nothing yet.
	checks, critical, catalog query
	digests                   *digests // of all checks
	criticalDigests           *digests // of the critical ones
	tags                      map[string]uint64
	// epoch counts the changes of the catalog. A service whose last good
	// request began in an earlier one may have changed since.
	epoch   uint64
	sweepAt time.Time // no sweep before
	evictAt time.Time // no blocking request is given up for another before

	policy    policy
	held      int       // services that hold instances
	probe     query     // whether Consul lets anything be read, while any do
	readable  time.Time // when it did last
	gapsUntil time.Time // Consul may not know all services again until then

	random func() float64 // from [0,1)
	notes  []note         // what to log
	begun  time.Time      // want was called first; zero: it was not
	fresh  bool           // the snapshot published is the present one
	// confirmed: for some services that is so but for when Consul confirmed it.
	confirmed bool
	poke      bool      // somebody should look at it
	down      bool      // some request failed for an outage, as noted last
	downAt    time.Time // that was noted
}

// watchesCatalog reports whether there are too many services for a blocking request
// each.
func (s *schedule) watchesCatalog() bool { return len(s.services) > s.hot }

// want replaces the set of services.
func (s *schedule) want(names []lb.Name, now time.Time) {
	switch {
	case s.begun.IsZero(): // until now the initial services were served, wanted or not
		s.begun, s.fresh, s.poke = now, false, len(s.initial) > 0
	case now.Sub(s.begun) > initialTime:
		clear(s.initial)
	}
	wanted := make(map[lb.Name]bool, len(names))
	for _, n := range names {
		wanted[n] = true
	}
	for n, svc := range s.services {
		if wanted[n] {
			continue
		}
		if svc.cancel != nil {
			svc.cancel()
		}
		delete(s.services, n)
		s.fresh, s.poke = false, s.poke || svc.known
	}
	for n := range wanted {
		if s.services[n] != nil {
			continue
		}
		svc := &service{name: n, current: lb.Service{Name: n}, heat: now, query: query{due: now}}
		if old, ok := s.initial[n]; ok {
			svc.current, svc.known = old, true
			svc.resetCount(len(old.Instances))
			delete(s.initial, n)
		}
		s.services[n], s.fresh = svc, false
	}
	s.byName = slices.SortedFunc(maps.Values(s.services), func(a, b *service) int { return cmp.Compare(a.name, b.name) })
}

// assign chooses the requests to start now; they count as under way from here
// on. It returns when to call it again at the latest.
func (s *schedule) assign(now time.Time) ([]task, time.Time) {
	tasks := append(s.assignCatalog(now), s.assignProbe(now)...)
	for _, svc := range s.byName {
		if !svc.busy && !svc.recheck.IsZero() && !svc.recheck.After(now) {
			svc.recheck = time.Time{}
			svc.dirty = svc.dirty || s.differs(svc)
		}
	}
	for s.fetched < fetchConns || s.hotBusy < s.hot {
		svc := s.mostUrgent(now)
		if svc == nil {
			break
		}
		use := fetchSlot
		if s.fetched == fetchConns {
			use = hotSlot
		}
		tasks = append(tasks, s.begin(svc, use, 0))
	}
	for _, svc := range s.hottest(s.hot - s.hotBusy) {
		if svc.ready(now) {
			tasks = append(tasks, s.begin(svc, hotSlot, svc.index))
		}
	}
	s.evict(now)
	for s.watchesCatalog() && s.fetched < fetchConns && !s.sweepAt.After(now) {
		svc := s.longestUnasked(now)
		if svc == nil {
			break
		}
		tasks = append(tasks, s.begin(svc, fetchSlot, 0))
		s.sweepAt = now.Add(min(sweepPace, s.sweepTime()/2/time.Duration(len(s.byName))))
	}
	return tasks, s.next(now)
}

// sweepTime is how often a cold service is asked for at the latest.
func (s *schedule) sweepTime() time.Duration {
	return max(sweepEvery, sweepShare*time.Duration(len(s.byName)))
}

// catalogQueries lists the queries over the whole catalog.
func (s *schedule) catalogQueries() []*query { return []*query{&s.critical, &s.catalog, &s.checks} }

// assignCatalog starts the requests over the whole catalog, or ends them when they
// are not needed.
func (s *schedule) assignCatalog(now time.Time) []task {
	if !s.watchesCatalog() {
		for _, q := range s.catalogQueries() {
			if q.cancel != nil {
				q.cancel()
			}
			*q = query{busy: q.busy}
		}
		s.digests, s.criticalDigests, s.tags = nil, nil, nil
		return nil
	}
	var tasks []task
	for _, q := range s.catalogQueries() {
		if q.ready(now) {
			q.busy = true
			tasks = append(tasks, task{slot: catalogSlot, query: q, index: q.index})
		}
	}
	return tasks
}

// begin counts a request for a service as under way.
func (s *schedule) begin(svc *service, use slot, index uint64) task {
	if use == hotSlot {
		s.hotBusy++
	} else {
		s.fetched++
	}
	svc.busy, svc.watching = true, index > 0
	svc.dirty, svc.recheck = false, time.Time{}
	return task{slot: use, query: &svc.query, service: svc, index: index, epoch: s.epoch}
}

// mostUrgent finds the service that has waited longest for an urgent request.
func (s *schedule) mostUrgent(now time.Time) *service {
	var found *service
	for _, svc := range s.byName {
		if svc.ready(now) && svc.urgent() && (found == nil || svc.due.Before(found.due)) {
			found = svc
		}
	}
	return found
}

// hottest finds the n idle services most worth a blocking request. Among equals
// those stay that have had one: for each service watched so the agent keeps a
// stream of events open for a while. One that has to pause keeps its slot free.
func (s *schedule) hottest(n int) []*service {
	if n == 0 {
		return nil
	}
	var idle []*service
	for _, svc := range s.byName {
		if !svc.busy && !svc.urgent() {
			idle = append(idle, svc)
		}
	}
	slices.SortStableFunc(idle, func(a, b *service) int {
		return cmp.Or(b.heat.Compare(a.heat), cmp.Compare(rank(b.hot), rank(a.hot)))
	})
	for i, svc := range idle {
		svc.hot = i < n
	}
	return idle[:min(n, len(idle))]
}

// evict gives up the blocking request of the service that has been quiet for
// longest, when one without that has changed since. Its result is on the way
// then; until it is there the slot is in use.
func (s *schedule) evict(now time.Time) {
	if s.hotBusy < s.hot || s.evictAt.After(now) {
		return
	}
	var coldest, hottest *service
	for _, svc := range s.byName {
		switch {
		case svc.evicted:
			return // one at a time
		case svc.busy && svc.watching:
			if svc.cancel != nil && (coldest == nil || svc.heat.Before(coldest.heat)) {
				coldest = svc
			}
		case !svc.busy && !svc.urgent() && (hottest == nil || svc.heat.After(hottest.heat)):
			hottest = svc
		}
	}
	if coldest == nil || hottest == nil || !hottest.heat.After(coldest.heat) {
		return
	}
	coldest.evicted = true
	coldest.cancel()
	s.evictAt = now.Add(evictPace)
}

func rank(better bool) int {
	if better {
		return 1
	}
	return 0
}

// longestUnasked finds the service to be asked for though nothing is known to have
// happened to it.
func (s *schedule) longestUnasked(now time.Time) *service {
	var found *service
	for _, svc := range s.byName {
		if svc.ready(now) && (svc.epoch < s.epoch || !svc.sweep.After(now)) && (found == nil || svc.sweep.Before(found.sweep)) {
			found = svc
		}
	}
	return found
}

// next is the earliest moment after now at which something becomes due. What is
// due already waits for a slot, and so for a request to end.
func (s *schedule) next(now time.Time) time.Time {
	next := now.Add(sweepEvery)
	consider := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	if s.watchesCatalog() {
		for _, q := range s.catalogQueries() {
			consider(q.due)
		}
	}
	if s.needsProbe() {
		consider(s.probe.due)
	}
	for _, svc := range s.byName {
		if svc.busy {
			continue
		}
		consider(svc.due)
		consider(svc.recheck)
		if s.watchesCatalog() {
			consider(svc.sweep)
			consider(s.sweepAt)
			consider(s.evictAt)
		}
	}
	return next
}

// catalogDigest is how a service's checks stand by the answer about all checks.
func (s *schedule) catalogDigest(svc *service) uint64 {
	if s.digests == nil {
		return 0
	}
	return s.digests.of(svc.name, svc.nodes)
}

// differs reports whether the answer about all checks contradicts the one about
// the service.
func (s *schedule) differs(svc *service) bool {
	return s.digests != nil && svc.index > 0 && s.catalogDigest(svc) != svc.serviceDigest
}

// snapshot is what is known of every service.
func (s *schedule) snapshot() lb.Snapshot {
	out := lb.Snapshot{Services: make(map[lb.Name]lb.Service, len(s.services)), Unanswered: s.unanswered()}
	for n, svc := range s.services {
		if svc.known {
			out.Services[n] = svc.current
		}
	}
	return out
}

// unanswered lists the services of which nothing is known, and why.
func (s *schedule) unanswered() map[lb.Name]string {
	out := map[lb.Name]string{}
	for n, svc := range s.services {
		if !svc.known {
			out[n] = svc.problem
		}
	}
	return out
}
