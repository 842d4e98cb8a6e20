package stats

import (
	"context"
	"sync/atomic"
	"time"

	"thalassa/internal/wake"
)

// demand says whether somebody reads the figures of members: while nobody does
// they are not worth the time it takes to ask about many of them.
type demand struct {
	hasSubscribers atomic.Bool   // of what changes
	requested      chan struct{} // one slot: somebody wants them now
	refreshed      wake.Signal   // since they were requested
}

// request has HAProxy asked about members soon.
func (a *demand) request() {
	select {
	case a.requested <- struct{}{}:
	default: // it is going to be
	}
}

// Refresh sees to it that the figures of members are no older than a tick, as far as
// HAProxy has the time, and returns when they are, or when ctx ends. It is for who
// looks only now and then, and may be called as often as anybody likes: HAProxy is
// asked no more often than in every tick.
func (s *Sampler) Refresh(ctx context.Context) {
	refreshed := s.demand.refreshed.Next()
	if !s.isOutdated(time.Now()) {
		return
	}
	s.demand.request()
	select {
	case <-refreshed:
	case <-ctx.Done():
	}
}

// requestIfOutdated is for readers that are told what changes from now on. They are shown what is
// known, and do not wait.
func (s *Sampler) requestIfOutdated() {
	if s.isOutdated(time.Now()) {
		s.demand.request()
	}
}

// isOutdated says whether the figures of members are older than those of the rest.
func (s *Sampler) isOutdated(now time.Time) bool {
	return now.Sub(s.workers.Load().members) > s.cfg.Interval*3/2
}

// refreshMembers asks about members between two ticks. It is no tick: the time stands, and
// what fails is left to the next.
func (s *Sampler) refreshMembers(ctx context.Context) {
	config, known := s.layout()
	now := time.Now()
	if !known || s.present == nil || s.silent || !s.isOutdated(now) || !s.throttle.isDue(now, true, s.cfg.Interval) {
		return
	}
	before := s.present
	err := s.ask(ctx, servers)
	if s.present != before {
		s.present = before // the next tick replaces it
		return
	}
	if err != nil {
		return
	}
	s.throttle.asked, s.throttle.betweenTicks = time.Now(), true
	workers := append([]*worker{s.present}, s.askOld(ctx, servers)...)
	s.table.amend(s.throttle.asked, config.Backends, workers)
	a := *s.workers.Load()
	a.members = s.throttle.asked
	s.workers.Store(&a)
	s.ticked.Broadcast()
}
