package discovery

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"thalassa/lb"
)

// initialTime is how long after the start a newly wanted service may still begin
// with the members that an earlier run stored.
const initialTime = time.Minute

// A schedule is the state of watching Consul: the services, and the queries for
// them. It does no I/O and reads no clock. One goroutine owns it.
type schedule struct {
	services map[lb.Name]*service
	byName   []*service // sorted by name
	// initial has the services of an earlier run that are not wanted yet.
	initial map[lb.Name]lb.Service

	maxWatched         int      // maximum blocking queries for single services
	watching, fetching int      // slots in use
	unwanted           []*query // under way, to be canceled

	catalog       catalog
	nextRefresh   time.Time // no refresh before
	nextPreempted time.Time // no preemption before

	policy   policy
	held     int       // services that hold instances
	probe    query     // used while a service holds instances, and in an outage
	readable time.Time // when the token could read something last
	outage   outage

	random func() float64 // from [0,1)
	notes  []note         // to be logged
	begun  time.Time      // first call of want; zero: not yet

	published bool // the published snapshot is up to date
	confirmed bool // some services were confirmed since it was published
	changed   bool // users of the snapshot must be notified
}

// watchesCatalog reports whether there are too many services for a blocking query
// each.
func (s *schedule) watchesCatalog() bool { return len(s.services) > s.maxWatched }

// want replaces the set of services.
func (s *schedule) want(names []lb.Name, now time.Time) {
	switch {
	case s.begun.IsZero(): // so far, the snapshot had all initial services
		s.begun, s.published, s.changed = now, false, len(s.initial) > 0
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
		if svc.busy {
			s.unwanted = append(s.unwanted, &svc.query)
		}
		delete(s.services, n)
		s.published, s.changed = false, s.changed || svc.known
	}
	for n := range wanted {
		if s.services[n] == nil {
			s.add(n, now)
		}
	}
	s.byName = slices.SortedFunc(maps.Values(s.services), func(a, b *service) int { return cmp.Compare(a.name, b.name) })
}

// add adds a service, with the instances of an earlier run if there are any.
func (s *schedule) add(n lb.Name, now time.Time) {
	svc := &service{name: n, current: lb.Service{Name: n}, changedAt: now, query: query{due: now}}
	if old, ok := s.initial[n]; ok {
		if h := old.Hold; h != nil && h.Since.After(now) { // the clock was ahead in that run
			held := *h
			held.Since, old.Hold = now, &held
		}
		svc.current, svc.known = old, true
		svc.resetCount(len(old.Instances))
		delete(s.initial, n)
	}
	s.services[n], s.published = svc, false
}

// assign decides what to start and what to cancel now, and notes that as done.
func (s *schedule) assign(now time.Time) decision {
	s.update(now)
	d := decide(s, now)
	s.commit(d, now)
	d.cancel = append(d.cancel, s.unwanted...)
	s.unwanted = nil
	d.next = nextDue(s, now)
	return d
}

// update brings the state up to the present time.
func (s *schedule) update(now time.Time) {
	s.held = 0
	for _, svc := range s.byName {
		if svc.current.Hold != nil {
			s.held++
		}
		if !svc.busy && !svc.recheck.IsZero() && !svc.recheck.After(now) {
			svc.recheck = time.Time{}
			svc.outdated = svc.outdated || s.catalog.differs(svc)
		}
	}
	if !s.watchesCatalog() {
		s.catalog.reset()
	}
}

// commit marks the queries of a decision as under way or given up.
func (s *schedule) commit(d decision, now time.Time) {
	for i, svc := range d.candidates {
		svc.recent = i < d.free
	}
	for _, t := range d.start {
		t.query.busy = true
		switch t.slot {
		case watchSlot:
			s.watching++
		case fetchSlot:
			s.fetching++
		case catalogSlot:
		}
		if svc := t.service; svc != nil {
			svc.blocking = t.index > 0
			svc.outdated, svc.recheck = false, time.Time{}
		}
	}
	if d.refreshed {
		s.nextRefresh = now.Add(min(refreshPace, refreshTime(len(s.byName))/2/time.Duration(len(s.byName))))
	}
	if d.preempted != nil {
		d.preempted.preempted = true
		s.nextPreempted = now.Add(preemptPace)
	}
}

// refreshTime is the maximum age of the answer for a service without a blocking
// query, of so many services.
func refreshTime(services int) time.Duration {
	return max(refreshEvery, refreshShare*time.Duration(services))
}

// snapshot returns the known services, and why the others are not known.
func (s *schedule) snapshot() lb.Snapshot {
	out := lb.Snapshot{Services: make(map[lb.Name]lb.Service, len(s.services)), Unanswered: map[lb.Name]string{}}
	for n, svc := range s.services {
		if svc.known {
			out.Services[n] = svc.current
		} else {
			out.Unanswered[n] = svc.problem
		}
	}
	return out
}

// queries ranges over all queries except the probe.
func (s *schedule) queries(yield func(*query) bool) {
	if s.watchesCatalog() {
		for _, q := range s.catalog.queries() {
			if !yield(q) {
				return
			}
		}
	}
	for _, svc := range s.byName {
		if !yield(&svc.query) {
			return
		}
	}
}
