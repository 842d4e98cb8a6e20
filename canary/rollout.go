package canary

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"thalassa/internal/permit"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// A rollout is one canary. One goroutine carries it out; others read its state and ask
// for actions.
type rollout struct {
	cfg     *Config
	changed *wake.Signal
	poke    wake.Poke // an action was asked for
	resumed time.Time // when the agent took it from the store; zero: it did not

	saving sync.Mutex // keeps a state from being stored over a newer one

	mu        sync.Mutex
	state     lb.CanaryState
	finishing bool      // all requests were asked for
	author    string    // who asked for the end; empty: nobody
	renewed   time.Time // the lease
}

func (r *Runner) newRollout(state lb.CanaryState) *rollout {
	return &rollout{cfg: &r.cfg, changed: &r.changed, poke: wake.NewPoke(), state: state, renewed: r.cfg.Now()}
}

// current is the state now.
func (c *rollout) current() lb.CanaryState {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// update changes the state and tells readers.
func (c *rollout) update(change func(*lb.CanaryState)) {
	c.mu.Lock()
	change(&c.state)
	c.mu.Unlock()
	c.changed.Broadcast()
}

// save stores the state.
func (c *rollout) save(ctx context.Context) error {
	c.saving.Lock()
	defer c.saving.Unlock()
	if err := c.cfg.Store.SaveCanary(ctx, c.current()); err != nil {
		return fmt.Errorf("storing the canary: %w", err)
	}
	return nil
}

// begin makes the first step. After an error nothing has changed. A step that is stored
// and not in effect is no error: the canary goes back then.
func (c *rollout) begin(ctx context.Context) error {
	state := c.current()
	err := c.step(ctx, state.NextPercent(), state.Wait)
	aborted, foreign := (*abortError)(nil), (*foreignError)(nil)
	switch {
	case errors.As(err, &aborted):
		c.startGoingBack(context.WithoutCancel(ctx), aborted.reason)
	case errors.As(err, &foreign):
		return &lb.ConflictError{ID: lb.Backend{Key: state.Backend}.ID(), Reason: "was changed by somebody else before the first step"}
	case err != nil:
		return err
	}
	c.note(startedEvent(c.current()))
	if err == nil && c.current().Percent == 100 {
		c.finish(ctx)
	}
	return nil
}

// run carries out the canary to its end, or to the end of ctx.
func (c *rollout) run(ctx context.Context) {
	c.awaitConsul(ctx)
	err := c.advance(ctx)
	switch foreign := (*foreignError)(nil); {
	case ctx.Err() != nil: // it continues after the agent's restart
	case err == nil:
		c.finish(ctx)
	case errors.As(err, &foreign):
		c.end(ctx, func(s *lb.CanaryState) { s.Phase, s.Now = lb.CanarySuperseded, foreign.now })
	default:
		c.startGoingBack(ctx, err.Error())
		c.goBack(ctx)
	}
}

// awaitConsul waits, after a restart of the agent, until Consul has confirmed the
// service: what an earlier agent has stored may lack the new version. It waits at most
// for MaxOutage; then the last good members count, as they do for HAProxy.
func (c *rollout) awaitConsul(ctx context.Context) {
	service := c.current().Service
	for c.cfg.Now().Sub(c.resumed) <= c.cfg.MaxOutage { // never for one that was not resumed
		s, known := c.cfg.Node.Snapshot().Services[service]
		if known && s.Stale == "" && s.Seen.After(c.resumed) || wake.Pause(ctx, 100*time.Millisecond) != nil {
			return
		}
		c.update(func(s *lb.CanaryState) { s.Problem = "Consul has not confirmed service " + string(service) + " yet" })
	}
}

// advance makes one step after the other. The error is the reason to go back, or a
// *foreignError.
func (c *rollout) advance(ctx context.Context) error {
	if err := c.goingBack(); err != nil {
		return err
	}
	if err := c.pickUp(ctx); err != nil {
		return err
	}
	for c.current().Percent < 100 {
		next := 100
		switch err := c.watch(ctx); {
		case err == nil:
			next = c.current().NextPercent()
		case !errors.Is(err, errFinish):
			return err
		}
		if err := c.step(c.limited(ctx), next, 0); err != nil {
			return err
		}
	}
	return c.goingBack()
}

// goingBack is the reason to go back that was given meanwhile; nil: there is none.
func (c *rollout) goingBack() error {
	if state := c.current(); state.Phase == lb.CanaryGoingBack {
		return &abortError{state.Reason}
	}
	return nil
}

// pickUp continues where a former agent ended: a step that it had asked for may be in
// effect.
func (c *rollout) pickUp(ctx context.Context) error {
	state := c.current()
	if state.Next == "" {
		return nil
	}
	_, taken, err := c.backend(ctx)
	switch {
	case err != nil:
		return err
	case !taken: // the step is asked for again
		c.update(func(s *lb.CanaryState) { s.Next = "" })
		return nil
	}
	next := state.NextPercent()
	c.update(func(s *lb.CanaryState) {
		s.Phase = lb.CanaryRunning
		c.taken(s, next, lb.CanaryStep{})
	})
	return c.save(ctx)
}

// step gives the version its percentage.
func (c *rollout) step(ctx context.Context, percent int, wait time.Duration) error {
	sw, err := c.current().Forward(percent)
	if err != nil {
		return err
	}
	sw.Wait = wait
	starting := c.current().Phase == lb.CanaryStarting
	applied, err := c.request(ctx, sw)
	switch {
	case err != nil:
		return err
	case !applied.Applied && !starting && ctx.Err() != nil: // because the agent is stopping
		return ctx.Err()
	case !applied.Applied:
		c.update(func(s *lb.CanaryState) { s.Tag, s.Next, s.Selection = s.Next, "", selection(sw) })
		return &abortError{fmt.Sprintf("the step to %d%% is stored and not in effect: %s", percent, applied.Reason)}
	}
	members := 0
	ctx = context.WithoutCancel(ctx) // the step is in effect
	if in, err := c.cfg.Node.Intent(ctx); err == nil {
		members = len(lb.Populate(in.Backends[sw.Backend], c.cfg.Node.Snapshot()).Members)
	}
	c.update(func(s *lb.CanaryState) {
		if s.Phase == lb.CanaryStarting {
			s.Phase = lb.CanaryRunning
		}
		c.taken(s, percent, lb.CanaryStep{Path: applied.Path, Duration: applied.Duration, Revision: applied.Revision, Members: members})
	})
	return c.save(ctx)
}

// taken enters a step that is in effect.
func (c *rollout) taken(s *lb.CanaryState, percent int, step lb.CanaryStep) {
	sw, err := s.Forward(percent)
	if err == nil {
		s.Selection = selection(sw)
	}
	if s.Next != "" {
		s.Tag, s.Next = s.Next, ""
	}
	s.Percent, s.Began, s.Measured, s.New, s.Old, s.Problem = percent, c.cfg.Now(), 0, nil, nil, ""
	step.Percent, step.Selection, step.Time = percent, s.Selection, s.Began
	s.History = append(slices.Clip(s.History), step)
}

// selection is the versions of a switch as a text.
func selection(sw lb.Switch) string {
	return lb.Backend{Type: "dynamic", Version: sw.Version, Versions: sw.Versions}.Selection()
}

// request carries out a switch on condition that nobody else has changed the backend
// since the last step. It repeats what fails for a time.
func (c *rollout) request(ctx context.Context, sw lb.Switch) (applied lb.Applied, err error) {
	err = c.retry(ctx, func() error {
		if err := permit.Check(ctx); err != nil { // at first, and after each wait
			return err
		}
		b, taken, err := c.backend(ctx)
		if err != nil {
			return err
		}
		if taken {
			c.update(func(s *lb.CanaryState) { s.Tag, s.Next = s.Next, "" })
		}
		wanted, err := lb.Intent{Backends: map[lb.Name]lb.Backend{b.Key: b}}.Switched(sw)
		if err != nil {
			return err
		}
		c.update(func(s *lb.CanaryState) { s.Next = wanted.ETag() })
		if err := c.save(ctx); err != nil {
			return err
		}
		sw.IfMatch = []string{b.ETag()}
		applied, err = c.cfg.Node.Switch(ctx, sw)
		if precondition := (*lb.PreconditionError)(nil); errors.As(err, &precondition) {
			return c.foreign(ctx)
		}
		return err
	})
	return applied, err
}

// backend reads the backend. taken: the request under way has been carried out. The
// error is a *foreignError if somebody else has changed it.
func (c *rollout) backend(ctx context.Context) (b lb.Backend, taken bool, err error) {
	in, err := c.cfg.Node.Intent(ctx)
	if err != nil {
		return lb.Backend{}, false, err
	}
	state := c.current()
	b, ok := in.Backends[state.Backend]
	switch {
	case !ok:
		return b, false, &foreignError{}
	case state.Next != "" && b.ETag() == state.Next:
		return b, true, nil
	case b.ETag() != state.Tag:
		return b, false, &foreignError{now: strings.TrimSpace(string(b.Service) + " " + b.Selection())}
	}
	return b, false, nil
}

// foreign is the error for a backend that somebody else has changed.
func (c *rollout) foreign(ctx context.Context) error {
	b, _, err := c.backend(ctx)
	if err == nil { // and changed back
		err = &foreignError{now: string(b.Service) + " " + b.Selection()}
	}
	return err
}

// retry calls try until it succeeds, fails for good, or MaxOutage is over.
func (c *rollout) retry(ctx context.Context, try func() error) error {
	const first, last = 250 * time.Millisecond, 2 * time.Second
	begin, wait := c.cfg.Now(), first
	for {
		err := try()
		if err == nil || ctx.Err() != nil || !errors.As(err, new(*lb.UnavailableError)) || c.cfg.Now().Sub(begin) > c.cfg.MaxOutage {
			return err
		}
		if c.current().Phase == lb.CanaryStarting {
			return err // the caller waits, and nothing has changed
		}
		c.update(func(s *lb.CanaryState) { s.Problem = err.Error() })
		if err := c.pause(ctx, wait); err != nil {
			return err
		}
		wait = min(2*wait, last)
	}
}

// pause waits for a time, or until an action is asked for.
func (c *rollout) pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.poke:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
