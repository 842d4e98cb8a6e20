package acme

import "context"

// Shared is where nodes share orders.
type Shared struct {
	// Why says why orders are not shared.
	Why string
}

// sharing is how this node takes turns with others.
type sharing struct {
	i   *Issuer
	cfg Shared
}

func newSharing(i *Issuer, cfg Shared) *sharing { return &sharing{i: i, cfg: cfg} }

func (s *sharing) problem() string { return s.cfg.Why }

func (s *sharing) run(context.Context) {}

// alone runs do while no other node does.
func (s *sharing) alone(ctx context.Context, _ *want, do func(context.Context) error) error {
	return do(ctx)
}

// update changes the record of an order here and for the others.
func (s *sharing) update(ctx context.Context, w *want, change func(*record)) error {
	return s.i.update(ctx, w.identity, change)
}

// publish has other nodes answer a token.
func (s *sharing) publish(context.Context, string, string) error { return nil }

// withdraw ends that.
func (s *sharing) withdraw(context.Context, string) {}
