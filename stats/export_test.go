package stats

import (
	"context"
	"time"
)

// Sample is one tick.
func (s *Sampler) Sample(ctx context.Context) {
	s.sample(ctx)
}

// RefreshRequested does what somebody has asked for between two ticks, if anybody has.
func (s *Sampler) RefreshRequested(ctx context.Context) (asked bool) {
	select {
	case <-s.demand.requested:
		s.refreshMembers(ctx)
		s.demand.refreshed.Broadcast()
		return true
	default:
		return false
	}
}

// Pass is a time that passes without a tick: members were queried that much longer ago.
func (s *Sampler) Pass(d time.Duration) {
	s.throttle.asked = s.throttle.asked.Add(-d)
	a := *s.workers.Load()
	a.members = a.members.Add(-d)
	s.workers.Store(&a)
}
