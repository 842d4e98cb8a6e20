package canary

import (
	"context"

	"thalassa/lb"
)

// ask carries out an action, or leaves it to the goroutine of the canary.
func (c *rollout) ask(ctx context.Context, a lb.CanaryAction, by lb.Origin) error {
	if err := c.enter(a, by); err != nil {
		return err
	}
	if a == lb.CanaryRenew {
		return nil
	}
	c.note(askedEvent(c.current(), a, by))
	err := c.save(ctx)
	c.changed.Broadcast()
	c.poke.Send()
	return err
}

// enter enters an action in the state, unless the phase does not allow it.
func (c *rollout) enter(a lb.CanaryAction, by lb.Origin) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	phase := c.state.Phase
	allowed := phase == lb.CanaryRunning || phase == lb.CanaryPaused
	switch a {
	case lb.CanaryPause:
		if allowed = phase == lb.CanaryRunning; allowed {
			c.state.Phase = lb.CanaryPaused
		}
	case lb.CanaryResume:
		if allowed = phase == lb.CanaryPaused; allowed {
			c.state.Phase = lb.CanaryRunning
		}
	case lb.CanaryRenew:
		if allowed = !phase.IsEnd(); allowed {
			c.renewed = c.cfg.Now()
		}
	case lb.CanaryGoBack:
		if allowed {
			c.state.Phase, c.state.Reason, c.author = lb.CanaryGoingBack, "it was interrupted by "+by.Author, by.Author
		}
	case lb.CanaryFinish:
		if allowed {
			c.finishing, c.author = true, by.Author
		}
	}
	if !allowed {
		return &lb.ConflictError{ID: "canary/" + string(c.state.Backend), Reason: "cannot " + verb(a) + ", because its phase is " + string(phase)}
	}
	return nil
}

// verb is an action in a sentence.
func verb(a lb.CanaryAction) string {
	if a == lb.CanaryGoBack {
		return "go back"
	}
	return string(a)
}
