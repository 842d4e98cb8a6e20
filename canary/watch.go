package canary

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"thalassa/lb"
)

// errFinish ends a step because the version is to get all requests now.
var errFinish = errors.New("all requests were asked for")

// watch reads the members until the step's time is over. The error is the reason to go
// back, errFinish or a *foreignError.
func (c *rollout) watch(ctx context.Context) error {
	begin := c.cfg.Now()
	c.update(func(s *lb.CanaryState) { s.Began = begin })
	state := c.current()
	isNew := func(v lb.Version) bool { return v == state.Version }
	fresh, former := meter{of: isNew}, meter{of: func(v lb.Version) bool { return !isNew(v) }}
	for {
		members, err := c.read(ctx)
		if err != nil {
			return err
		}
		newer, older := fresh.read(members), former.read(members)
		c.update(func(s *lb.CanaryState) {
			s.New, s.Old, s.Measured, s.Problem = &newer, &older, c.cfg.Now().Sub(begin), ""
		})
		if err := c.judge(members); err != nil {
			return err
		}
		left := state.Every - c.cfg.Now().Sub(begin)
		if left <= 0 && c.current().Phase != lb.CanaryPaused {
			c.endStep()
			return c.save(ctx)
		}
		look := c.cfg.Interval
		if look <= 0 {
			look = min(max(state.Every/20, 100*time.Millisecond), time.Second)
		}
		if left > 0 {
			look = min(look, left)
		}
		if err := c.pause(ctx, look); err != nil {
			return err
		}
	}
}

// judge is the reason to end the step; nil: there is none.
func (c *rollout) judge(members []reading) error {
	if err := c.goingBack(); err != nil {
		return err
	}
	if err := c.permitted(); err != nil {
		return err
	}
	state := c.current()
	if reason := unhealthy(state.Version, members); reason != "" {
		return &abortError{reason}
	}
	if reason := state.ConditionBroken(); reason != "" {
		return &abortError{reason}
	}
	c.mu.Lock()
	finish, renewed := c.finishing, c.renewed
	c.mu.Unlock()
	switch {
	case finish:
		c.endStep()
		return errFinish
	case state.Lease > 0 && c.cfg.Now().Sub(renewed) > state.Lease:
		return &abortError{"nobody has followed it for " + state.Lease.String()}
	}
	return nil
}

// endStep enters the figures at the end of the step.
func (c *rollout) endStep() {
	c.update(func(s *lb.CanaryState) {
		if len(s.History) == 0 {
			return
		}
		s.History = slices.Clone(s.History)
		last := &s.History[len(s.History)-1]
		last.Measured, last.New, last.Old = s.Measured, s.New, s.Old
		last.Judged = s.New != nil && s.New.Requests >= s.MinRequests
	})
}

// read reads the members and their counters, again and again for MaxOutage. It is an
// error if somebody else has changed the backend.
func (c *rollout) read(ctx context.Context) (out []reading, err error) {
	err = c.retry(ctx, func() error {
		if err := c.goingBack(); err != nil {
			return err
		}
		b, _, err := c.backend(ctx)
		if err != nil {
			return err
		}
		lines, err := c.cfg.Stats(ctx, b.Key)
		if err != nil {
			return err
		}
		members := lb.Populate(b, c.cfg.Node.Snapshot()).Members
		out = make([]reading, len(members))
		for i, m := range members {
			out[i] = reading{id: m.ID(), version: m.Version}
			if line, ok := m.Stats(lines); ok {
				out[i].stats = &line
			}
		}
		return nil
	})
	return out, err
}

// unhealthy is what is wrong with the members of a version, as a clause; empty: nothing.
func unhealthy(version lb.Version, members []reading) string {
	healthy, up := 0, 0
	for _, m := range members {
		if m.version != version {
			continue
		}
		healthy++
		if m.stats == nil || !strings.HasPrefix(m.stats.Status, "DOWN") {
			up++
		}
	}
	switch {
	case healthy == 0:
		return "version " + string(version) + " has no healthy instance any more"
	case up == 0:
		return "HAProxy's checks find every instance of version " + string(version) + " down"
	}
	return ""
}
