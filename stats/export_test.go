package stats

import "context"

// Sample is one tick.
func (s *Sampler) Sample(ctx context.Context) {
	s.sample(ctx)
}

// Glance does what somebody has asked for between two ticks, if anybody has.
func (s *Sampler) Glance(ctx context.Context) (asked bool) {
	select {
	case <-s.attention.asked:
		s.glance(ctx)
		s.attention.glanced.Broadcast()
		return true
	default:
		return false
	}
}
