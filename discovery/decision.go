package discovery

import (
	"cmp"
	"slices"
	"time"
)

const (
	// refreshEvery is the maximum age of the answer for a service without a
	// blocking query. With many services it is refreshShare for each: with a
	// thousand, five a second are refreshed.
	refreshEvery = time.Minute
	refreshShare = 250 * time.Millisecond
	// refreshPace is the minimum time between two refreshes.
	refreshPace = 10 * time.Millisecond
	// preemptPace is the minimum time between two blocking queries canceled for
	// another service: each costs a connection, and services that change in turn
	// could go on preempting each other.
	preemptPace = 100 * time.Millisecond
)

// A slot is the kind of connection that a task uses.
type slot int

const (
	watchSlot   slot = iota // a blocking query for a service
	fetchSlot               // a query for a service that answers at once
	catalogSlot             // a query over the whole catalog
)

// A task is a request to send.
type task struct {
	slot    slot
	query   *query
	service *service // of the query; nil: it is over the whole catalog, or the probe
	index   uint64   // to block on; 0: answer at once
	epoch   uint64   // of the catalog, when the request began
}

// A decision says which requests to start and which to cancel.
type decision struct {
	start  []task
	cancel []*query
	next   time.Time // decide again then, or when a request ends

	candidates []*service // for free watch slots, best first
	free       int        // of the candidates, those with a slot
	refreshed  bool       // start contains a refresh
	preempted  *service   // cancel contains its blocking query
}

// started reports whether the decision starts a query of the service.
func (d *decision) started(svc *service) bool {
	return slices.ContainsFunc(d.start, func(t task) bool { return t.service == svc })
}

// A planner makes a decision from the state of a schedule. It does not change the
// schedule: the slots it uses are counted here.
type planner struct {
	*schedule
	now                time.Time
	watching, fetching int // slots in use, including those of the decision
	decision
}

// decide chooses what to start and what to cancel. It changes nothing.
func decide(s *schedule, now time.Time) decision {
	p := planner{schedule: s, now: now, watching: s.watching, fetching: s.fetching}
	p.catalogQueries()
	p.probeQuery()
	p.urgentQueries()
	p.blockingQueries()
	p.preempt()
	p.refresh()
	return p.decision
}

// catalogQueries starts the queries over the whole catalog, or cancels them when
// they are not needed.
func (p *planner) catalogQueries() {
	for _, q := range p.catalog.queries() {
		switch {
		case !p.watchesCatalog():
			if q.busy {
				p.cancel = append(p.cancel, q)
			}
		case q.ready(p.now):
			p.start = append(p.start, task{slot: catalogSlot, query: q, index: q.index})
		}
	}
}

// probeQuery starts the probe while a service holds instances and in an outage.
// The other queries back off then, and the first answer to the probe ends that.
func (p *planner) probeQuery() {
	if p.needsProbe() && p.fetching < fetchConns && p.probe.ready(p.now) {
		p.fetching++
		p.start = append(p.start, task{slot: fetchSlot, query: &p.probe})
	}
}

// urgentQueries uses fetch slots, and then watch slots, for urgent services. The
// one that has waited longest comes first.
func (p *planner) urgentQueries() {
	for p.fetching < fetchConns || p.watching < p.maxWatched {
		var longest *service
		for _, svc := range p.byName {
			if svc.ready(p.now) && svc.urgent() && (longest == nil || svc.due.Before(longest.due)) && !p.started(svc) {
				longest = svc
			}
		}
		if longest == nil {
			return
		}
		if p.fetching < fetchConns {
			p.add(longest, fetchSlot, 0)
		} else {
			p.add(longest, watchSlot, 0)
		}
	}
}

// blockingQueries gives the free watch slots to the idle services that changed
// last. Among equals, those that had a slot keep it: for each watched service, the
// Consul agent keeps a stream of events open for a while. A service that must
// pause keeps its slot free.
func (p *planner) blockingQueries() {
	p.free = p.maxWatched - p.watching
	if p.free == 0 {
		return
	}
	for _, svc := range p.byName {
		if !svc.busy && !svc.urgent() {
			p.candidates = append(p.candidates, svc)
		}
	}
	slices.SortStableFunc(p.candidates, func(a, b *service) int {
		return cmp.Or(b.changedAt.Compare(a.changedAt), rank(b.recent)-rank(a.recent))
	})
	for _, svc := range p.candidates[:min(p.free, len(p.candidates))] {
		if svc.ready(p.now) {
			p.add(svc, watchSlot, svc.index)
		}
	}
}

func rank(better bool) int {
	if better {
		return 1
	}
	return 0
}

// preempt cancels the blocking query of the service that has not changed for
// longest, if one without a query has changed since. The canceled query uses its
// slot until its result arrives.
func (p *planner) preempt() {
	if p.watching < p.maxWatched || p.nextPreempted.After(p.now) {
		return
	}
	var oldest, newest *service
	for _, svc := range p.byName {
		switch {
		case svc.preempted:
			return // one at a time
		case svc.busy && svc.blocking:
			if oldest == nil || svc.changedAt.Before(oldest.changedAt) {
				oldest = svc
			}
		case !svc.busy && !svc.urgent() && (newest == nil || svc.changedAt.After(newest.changedAt)) && !p.started(svc):
			newest = svc
		}
	}
	if oldest != nil && newest != nil && newest.changedAt.After(oldest.changedAt) {
		p.preempted = oldest
		p.cancel = append(p.cancel, &oldest.query)
	}
}

// refresh starts a query for the service whose answer is oldest, although nothing
// suggests that it has changed.
func (p *planner) refresh() {
	if !p.watchesCatalog() || p.fetching == fetchConns || p.nextRefresh.After(p.now) {
		return
	}
	var oldest *service
	for _, svc := range p.byName {
		if svc.ready(p.now) && (svc.epoch < p.catalog.epoch || !svc.refreshDue.After(p.now)) &&
			(oldest == nil || svc.refreshDue.Before(oldest.refreshDue)) && !p.started(svc) {
			oldest = svc
		}
	}
	if oldest != nil {
		p.add(oldest, fetchSlot, 0)
		p.refreshed = true
	}
}

// add starts a query for a service.
func (p *planner) add(svc *service, use slot, index uint64) {
	if use == watchSlot {
		p.watching++
	} else {
		p.fetching++
	}
	p.start = append(p.start, task{slot: use, query: &svc.query, service: svc, index: index, epoch: p.catalog.epoch})
}

// nextDue is the first time after now at which a query becomes due. Queries that are
// due already wait for a slot, and so for a request to end.
func nextDue(s *schedule, now time.Time) time.Time {
	next := now.Add(refreshEvery)
	consider := func(t time.Time) {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	if s.watchesCatalog() {
		for _, q := range s.catalog.queries() {
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
			consider(svc.refreshDue)
			consider(s.nextRefresh)
			consider(s.nextPreempted)
		}
	}
	return next
}
