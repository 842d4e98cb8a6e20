package canary

import (
	"context"

	"thalassa/internal/permit"
)

// permitted is the reason to go back because somebody has lost the right to the canary:
// who asked for all requests at once, else who started it. nil: the right holds.
func (c *rollout) permitted() error {
	if c.cfg.Permit == nil {
		return nil
	}
	c.mu.Lock()
	name, action, backend := c.state.Origin.Author, "who started it", c.state.Backend
	if c.finishing {
		name, action = c.author, "who asked for all requests"
	}
	c.mu.Unlock()
	if err := c.cfg.Permit(name, backend); err != nil {
		return &abortError{name + ", " + action + ", " + err.Error()}
	}
	return nil
}

// limited is ctx for a step forward that no request waits for.
func (c *rollout) limited(ctx context.Context) context.Context {
	return permit.With(ctx, c.permitted)
}
