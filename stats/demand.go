package stats

import (
	"context"
	"sync/atomic"
	"time"

	"thalassa/internal/wake"
)

// demand says whether somebody reads the figures of members. While nobody does, members
// are queried less often.
type demand struct {
	hasSubscribers atomic.Bool // of changes
	requested      wake.Poke   // somebody wants new figures now
	refreshed      wake.Signal // new figures came since they were requested
}

// request requests new figures of members.
func (a *demand) request() {
	a.requested.Send()
}

// Refresh updates the figures of members that are older than a tick, as far as
// HAProxy's load allows, and returns when that is done or ctx ends. It is for readers
// that come only now and then. However often it is called, HAProxy is queried
// at most once per tick.
func (s *Sampler) Refresh(ctx context.Context) {
	refreshed := s.demand.refreshed.Next()
	if !s.isOutdated(s.cfg.Now()) {
		return
	}
	s.demand.request()
	select {
	case <-refreshed:
	case <-ctx.Done():
	}
}

// requestIfOutdated is for readers that get changes from now on: they are shown the
// last figures, and do not wait.
func (s *Sampler) requestIfOutdated() {
	if s.isOutdated(s.cfg.Now()) {
		s.demand.request()
	}
}

// isOutdated reports whether the figures of members are older than those of the rest.
func (s *Sampler) isOutdated(now time.Time) bool {
	return now.Sub(s.workers.Load().members) > s.cfg.Interval*3/2
}

// refreshMembers queries members between two ticks. It is no tick: the time of the
// figures stays, and a failure is left to the next tick.
func (s *Sampler) refreshMembers(ctx context.Context) {
	config, known := s.layout()
	now := s.cfg.Now()
	if !known || s.reader.present == nil || s.silent || !s.isOutdated(now) || !s.throttle.isDue(now, true, s.cfg.Interval) {
		return
	}
	before := s.reader.present
	err := s.query(ctx, servers)
	if s.reader.present != before {
		s.reader.present = before // the next tick replaces it
		return
	}
	if err != nil {
		return
	}
	s.throttle.asked, s.throttle.betweenTicks = s.cfg.Now(), true
	workers := append([]*worker{s.reader.present}, s.reader.readOld(ctx, servers)...)
	defer s.reportMoves()
	s.table.amend(s.throttle.asked, config.Backends, workers)
	s.reader.forgetEnded()
	a := *s.workers.Load()
	a.members = s.throttle.asked
	s.workers.Store(&a)
	s.ticked.Broadcast()
}
