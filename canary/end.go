package canary

import (
	"context"
	"errors"

	"thalassa/lb"
)

// abortError is the reason for going back, a clause.
type abortError struct{ reason string }

// Error is the reason.
func (e *abortError) Error() string { return e.reason }

// foreignError is a backend that somebody else has changed or removed.
type foreignError struct {
	now string // its service and versions; empty: none
}

// Error says what the backend is now.
func (e *foreignError) Error() string {
	return "the backend was changed by somebody else"
}

// finish ends a canary whose version has all requests.
func (c *rollout) finish(ctx context.Context) {
	c.end(ctx, func(s *lb.CanaryState) { s.Phase = lb.CanaryDone })
}

// end ends the canary. Readers see the end when it is stored and logged.
func (c *rollout) end(ctx context.Context, change func(*lb.CanaryState)) {
	c.mu.Lock()
	state, author := c.state, c.author
	c.mu.Unlock()
	state.Ended, state.Next, state.Problem = c.cfg.Now(), "", ""
	change(&state)
	ctx = context.WithoutCancel(ctx)
	if err := c.cfg.Store.SaveCanary(ctx, state); err != nil {
		c.cfg.Logger.WarnContext(ctx, "end of a canary not stored", "backend", string(state.Backend), "error", err)
	}
	c.note(endedEvent(state, author))
	c.update(func(s *lb.CanaryState) { *s = state })
}

// startGoingBack says why the canary goes back.
func (c *rollout) startGoingBack(ctx context.Context, reason string) {
	c.update(func(s *lb.CanaryState) { s.Phase, s.Reason = lb.CanaryGoingBack, reason })
	c.saveOrWarn(ctx)
}

// saveOrWarn stores the state. A store that fails does not keep a canary from going back.
func (c *rollout) saveOrWarn(ctx context.Context) {
	if err := c.save(ctx); err != nil {
		c.cfg.Logger.WarnContext(ctx, "canary not stored", "backend", string(c.current().Backend), "error", err)
	}
}

// goBack gives the former versions all requests again.
func (c *rollout) goBack(ctx context.Context) {
	back := c.current().Backward()
	applied, err := c.request(ctx, back)
	foreign := (*foreignError)(nil)
	switch {
	case ctx.Err() != nil: // it continues after the agent's restart
	case errors.As(err, &foreign):
		c.end(ctx, func(s *lb.CanaryState) { s.Phase, s.Now = lb.CanarySuperseded, foreign.now })
	case err != nil:
		c.end(ctx, func(s *lb.CanaryState) { s.Phase, s.Problem = lb.CanaryStuck, err.Error() })
	default:
		c.end(ctx, func(s *lb.CanaryState) {
			s.Phase, s.Selection = lb.CanaryBack, selection(back)
			if !applied.Applied {
				s.Pending = applied.Reason
			}
		})
	}
}
