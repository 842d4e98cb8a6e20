package stats

import (
	"slices"
	"sync"
	"time"

	"thalassa/lb"
	"thalassa/statsock"
)

// retention is how long the figures of a member that has left are kept, in case it
// returns.
const retention = 5 * time.Minute

// A table is all series. The sampler alone writes to it.
type table struct {
	mu      sync.RWMutex
	tick    uint64
	at      time.Time // of the tick
	lost    bool      // see commit
	gaps    [HistoryLength]bool
	series  map[string]*Series // by ID
	order   []*Series          // in the order of creation
	byKey   map[string][]*Series
	removed []Removed // since the last call of Changes
	layout  layout
	spare   []*Counters // zero
	moves   []Move      // since the last call of takeMoves
}

// Removed is an object that no longer exists.
type Removed struct{ ID, Key string }

// commit applies the answers of the workers in a tick, the present one first; what is
// the scope of the query to the present one. lost: a worker has ended whose last counts
// nobody knows, so the rates of the tick are unknown.
func (t *table) commit(now time.Time, backends []lb.ResolvedBackend, what scope, workers []*worker, lost bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin(now, false)
	t.lost = lost
	t.apply(now, backends, what, workers)
	t.lost = false
}

// amend applies answers about servers between two ticks.
func (t *table) amend(now time.Time, backends []lb.ResolvedBackend, workers []*worker) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.apply(now, backends, servers, workers)
}

func (t *table) apply(now time.Time, backends []lb.ResolvedBackend, what scope, workers []*worker) {
	if t.layout.update(backends) {
		t.updateMembers(now)
	}
	for i, w := range workers {
		for _, l := range w.order {
			if w.isFresh(l) {
				t.count(w, l, i == 0)
			}
		}
	}
	t.endTick(now, what)
}

// markGap records that HAProxy did not answer.
func (t *table) markGap(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begin(now, true)
	for _, s := range t.order {
		s.markGap()
	}
}

func (t *table) begin(now time.Time, gap bool) {
	t.tick++
	t.at = now
	t.gaps[t.tick%HistoryLength] = gap
}

// count adds the counts of a line to its series.
func (t *table) count(w *worker, l *line, present bool) {
	var d Counters
	w.count(l, &d)
	s := t.find(l, present)
	if s == nil {
		return
	}
	if !s.restarted && d != (Counters{}) { // in such a tick the counts may be the former member's
		t.grow(s, &d)
	}
	switch {
	case !s.seen && present:
		s.next, s.seen = &l.gauges, true
		s.Server = l.key.server
	case s.seen:
		s.next.join(&l.gauges)
	}
}

// grow adds to the counts of a series in this tick and in total.
func (t *table) grow(s *Series, d *Counters) {
	s.Total.add(d)
	if n := len(t.spare); s.grown == nil && n > 0 {
		s.grown, t.spare = t.spare[n-1], t.spare[:n-1]
	} else if s.grown == nil {
		s.grown = new(Counters)
	}
	s.grown.add(d)
}

// end ends a tick for a series.
func (t *table) end(s *Series, now time.Time) {
	s.update(now, t.lost)
	if s.grown != nil {
		*s.grown = Counters{}
		t.spare = append(t.spare, s.grown)
		s.grown = nil
	}
}

// find is the series of a line; nil: it has none. Only the present worker creates
// series.
func (t *table) find(l *line, present bool) *Series {
	if l.layout == t.layout.version && l.foundFor == l.address && l.series != nil && !l.series.dropped {
		return l.series
	}
	l.series, l.layout, l.foundFor = nil, t.layout.version, l.address
	name := Series{Kind: l.key.kind, Key: l.key.proxy}
	if l.key.kind == statsock.KindServer {
		p, ours := t.layout.members[l.key.proxy]
		if !ours {
			name.Address = l.key.server
		} else if m, ok := p.member(l.key.server, l.address); ok {
			name.Address = m.Address.String()
		} else {
			return nil
		}
	}
	s := t.series[name.ID()]
	if s == nil && present {
		s = t.create(name)
		s.listed = true
		s.changed.note(partWhole, true)
	}
	l.series = s
	return s
}

func (t *table) create(name Series) *Series {
	s := &name
	t.series[s.ID()] = s
	t.order = append(t.order, s)
	t.byKey[s.Key] = append(t.byKey[s.Key], s)
	return s
}

// updateMembers makes the members of the layout visible, and hides the others.
func (t *table) updateMembers(now time.Time) {
	for _, s := range t.order {
		if s.Kind != statsock.KindServer || t.isUnmanaged(s) {
			continue
		}
		s.seen = false
	}
	for key, p := range t.layout.members {
		for _, i := range p.members {
			t.listMember(key, p.of.Members[i], now)
		}
	}
	for _, s := range t.order {
		if s.Kind != statsock.KindServer || t.isUnmanaged(s) {
			continue
		}
		if !s.seen && s.listed {
			s.listed, s.turned, s.moves.last = false, now, ""
			t.removed = append(t.removed, Removed{s.ID(), s.Key})
		}
		s.seen = false
	}
}

// listMember makes a member visible to readers.
func (t *table) listMember(key string, m lb.Member, now time.Time) {
	name := Series{Kind: statsock.KindServer, Key: key, Address: m.Address.String()}
	s := t.series[name.ID()]
	if s == nil {
		s = t.create(name)
	}
	if id := m.ID(); s.Member != id {
		if s.Member != "" {
			s.restart()
		}
		s.Member, s.Version = id, string(m.Version)
	}
	if !s.listed {
		s.listed, s.turned = true, now
		s.changed.note(partWhole, true)
	}
	s.seen = true
}

// isUnmanaged reports whether a series is about a server that is not Thalassa's.
func (t *table) isUnmanaged(s *Series) bool { return t.layout.members[s.Key] == nil }

// endTick ends a tick for the objects in the scope of the query: rates, missing
// members, history. The others stay as they are.
func (t *table) endTick(now time.Time, what scope) {
	dropped := false
	for _, s := range t.order {
		if !what.covers(s.Kind) {
			continue
		}
		switch {
		case s.seen:
			t.end(s, now)
			t.noteMove(s, now)
			s.seen = false
		case s.Kind == statsock.KindServer && s.Member != "" && s.listed:
			s.next = &Gauges{Status: "MAINT"} // HAProxy does not list such servers
			t.end(s, now)
		case s.Kind == statsock.KindServer && s.Member != "" && now.Sub(s.turned) < retention:
			s.Known, s.Gauges = false, Gauges{} // it may come back
		default:
			t.drop(s)
			dropped = true
			continue
		}
		s.restarted = false
		s.remember(t.tick)
	}
	if dropped {
		t.order = slices.DeleteFunc(t.order, func(s *Series) bool { return s.dropped })
	}
	if what.has(servers) {
		t.countMembers()
	}
}

func (t *table) drop(s *Series) {
	s.dropped = true
	delete(t.series, s.ID())
	t.byKey[s.Key] = slices.DeleteFunc(t.byKey[s.Key], func(o *Series) bool { return o == s })
	if len(t.byKey[s.Key]) == 0 {
		delete(t.byKey, s.Key)
	}
	if s.listed {
		t.removed = append(t.removed, Removed{s.ID(), s.Key})
	}
}

// countMembers counts the members of each backend.
func (t *table) countMembers() {
	for _, list := range t.byKey {
		var backend *Series
		members, healthy := 0, 0
		for _, s := range list {
			switch {
			case s.Kind == statsock.KindBackend:
				backend = s
			case s.Kind == statsock.KindServer && s.listed:
				members++
				if s.Gauges.isUp() {
					healthy++
				}
			}
		}
		if backend != nil {
			backend.changed.note(partMembers, backend.Members != members)
			backend.changed.note(partHealthy, backend.Healthy != healthy)
			backend.Members, backend.Healthy = members, healthy
		}
	}
}
