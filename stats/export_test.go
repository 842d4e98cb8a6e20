package stats

import "context"

// Sample is one tick.
func (s *Sampler) Sample(ctx context.Context) {
	s.sample(ctx)
	s.ticked.Broadcast()
}
