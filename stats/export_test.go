package stats

import "context"

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
