package stats

import (
	"context"
	"sync/atomic"
	"time"

	"thalassa/internal/wake"
)

// An attention is who looks at members: as long as nobody does they are not worth
// the time it takes to ask about many of them. Its readers tell.
type attention struct {
	followed atomic.Bool   // by somebody who is told what changes
	asked    chan struct{} // one slot: somebody looks who was not there before
	glanced  wake.Signal   // whoever asked has been seen to
}

// ask has HAProxy asked about members soon.
func (a *attention) ask() {
	select {
	case a.asked <- struct{}{}:
	default: // it is going to be
	}
}

// Refresh sees to it that the figures of members are no older than a tick, as far as
// HAProxy has the time, and returns when they are, or when ctx ends. It is for who
// looks only now and then, and may be called as often as anybody likes: HAProxy is
// asked no more often than in every tick.
func (s *Sampler) Refresh(ctx context.Context) {
	glanced := s.attention.glanced.Next()
	if !s.isOutdated(time.Now()) {
		return
	}
	s.attention.ask()
	select {
	case <-glanced:
	case <-ctx.Done():
	}
}

// look is for readers that are told what changes from now on. They are shown what is
// known, and do not wait.
func (s *Sampler) look() {
	if s.isOutdated(time.Now()) {
		s.attention.ask()
	}
}

// isOutdated says whether the figures of members are older than those of the rest.
func (s *Sampler) isOutdated(now time.Time) bool {
	return now.Sub(s.workers.Load().members) > s.cfg.Interval*3/2
}

// glance asks about members between two ticks. It is no tick: the time stands, and
// what fails is left to the next.
func (s *Sampler) glance(ctx context.Context) {
	config, known := s.layout()
	now := time.Now()
	if !known || s.present == nil || s.silent || !s.isOutdated(now) || !s.pace.isDue(now, true, s.cfg.Interval) {
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
	s.pace.asked, s.pace.glanced = time.Now(), true
	workers := append([]*worker{s.present}, s.askOld(ctx, servers)...)
	s.table.amend(s.pace.asked, config.Backends, workers)
	a := *s.workers.Load()
	a.members = s.pace.asked
	s.workers.Store(&a)
	s.ticked.Broadcast()
}
