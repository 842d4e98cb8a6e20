package stats

import (
	"time"

	"thalassa/lb"
	"thalassa/statsock"
)

// Of one member, at most flapMoves moves are reported within flapTime.
const (
	flapMoves = 10
	flapTime  = 10 * time.Minute
	// moveSlack is the uncertainty of Since: HAProxy gives whole seconds.
	moveSlack = 2 * time.Second
)

// A Health is what HAProxy decided about a member.
type Health string

// The decisions. Maintenance is not one of them: the agent itself puts servers into it.
const (
	HealthUp    Health = "up"
	HealthDown  Health = "down"
	HealthDrain Health = "drain"
)

// A Move is a change of what HAProxy decided about a member.
type Move struct {
	Backend string // its key
	Member  string // lb.Member.ID
	Server  string // the line in haproxy.cfg
	To      Health
	Health  lb.ServerHealth
	// Downtime is the time spent down in total, in whole seconds.
	Downtime time.Duration
	// Unreported is the number of earlier moves of the member that were not reported,
	// because there were too many.
	Unreported int
}

// moves is what was reported of a member.
type moves struct {
	last     Health    // empty: nothing is known
	reported *reported // nil: nothing was, as of most members
}

// reported is when the last moves of a member were reported.
type reported struct {
	times   [flapMoves]time.Time
	next    int // index in times
	skipped int // moves since, which were too many to be reported
}

// add reports a move, and returns how many were skipped before it; false: it is one too many.
func (r *reported) add(now time.Time) (skipped int, ok bool) {
	if now.Sub(r.times[r.next]) < flapTime {
		r.skipped++
		return 0, false
	}
	skipped = r.skipped
	r.times[r.next], r.skipped = now, 0
	r.next = (r.next + 1) % flapMoves
	return skipped, true
}

// noteMove records a move of a member that was just read. A member that is up when it is
// first seen has not moved, nor has one that has been down since before.
func (t *table) noteMove(s *Series, now time.Time) {
	to := s.decision()
	m := &s.moves
	if to == "" || to == m.last {
		return
	}
	first := m.last == ""
	m.last = to
	if first && (to == HealthUp || s.Since.Before(s.turned.Add(-moveSlack))) {
		return
	}
	address, err := lb.ParseBind(s.Address)
	if err != nil {
		return // it is that of an lb.Member
	}
	if m.reported == nil {
		m.reported = &reported{}
	}
	skipped, ok := m.reported.add(now)
	if !ok {
		return
	}
	t.moves = append(t.moves, Move{
		Backend: s.Key, Member: s.Member, Server: s.Server, To: to, Health: s.health(lb.HostPort(address)),
		Downtime: s.Gauges.Downtime, Unreported: skipped,
	})
}

// decision is what HAProxy decided about a member; empty: nothing, or it is not known.
func (s *Series) decision() Health {
	h := lb.ServerHealth{Status: s.Gauges.Status}
	switch {
	case s.Kind != statsock.KindServer || s.Member == "" || !s.listed || h.Status == "" || h.Status == Unknown:
	case h.IsDown():
		return HealthDown
	case h.IsDraining():
		return HealthDrain
	case h.IsUp():
		return HealthUp
	}
	return ""
}

// takeMoves returns the moves since the last call.
func (t *table) takeMoves() []Move {
	t.mu.Lock()
	defer t.mu.Unlock()
	moves := t.moves
	t.moves = nil
	return moves
}

// reportMoves passes the moves of members on.
func (s *Sampler) reportMoves() {
	if moves := s.table.takeMoves(); len(moves) > 0 && s.cfg.Moved != nil {
		s.cfg.Moved(moves)
	}
}
