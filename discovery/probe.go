package discovery

import (
	"context"
	"time"

	"thalassa/lb"
)

const (
	// probeService is a service that every Consul has and every token should be
	// able to read: Consul itself. While it is readable, an empty answer for
	// another service is not due to missing permissions.
	probeService lb.Name = "consul"
	// retryPace spreads the failing requests after the probe was answered. The
	// first of them that succeeds repeats all others at once.
	retryPace = 20 * time.Millisecond
)

// needsProbe reports whether a service holds instances, or there is an outage.
func (s *schedule) needsProbe() bool { return s.held > 0 || s.outage.noted }

// applyProbe processes the result of the probe.
func (s *schedule) applyProbe(r result, now time.Time) {
	s.probe.due = now.Add(s.policy.look/2 + time.Duration(s.random()*float64(s.policy.look/2)))
	if r.err != nil || !r.meta.Leader {
		return
	}
	if r.readable {
		s.readable = now
	}
	s.retryFailed(now, retryPace)
}

// askProbe requests Consul's own service.
func (w *Watcher) askProbe(ctx context.Context, r *result) {
	entries, m, err := w.client.Service(ctx, string(probeService), 0, w.wait)
	r.meta, r.err, r.readable = m, err, len(entries) > 0
}
