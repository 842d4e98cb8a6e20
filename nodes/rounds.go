package nodes

import (
	"context"
	"errors"
	"sync"

	"thalassa/internal/wake"
	"thalassa/lb"
)

// superseded is the error about a job that a node has heard a later one than.
func superseded(targets []string, left map[string]error) error {
	for _, node := range targets {
		if later, ok := errors.AsType[*laterError](left[node]); ok {
			return &lb.ConflictError{ID: "cluster", Reason: later.Error() + ", says the agent of " + node + "; nothing more is done for this one"}
		}
	}
	return nil
}

// of is the question about one service.
func (q Question) of(service string) Question {
	q.Service = service
	return q
}

// until asks nodes again and again, all at the same time, until each is as wanted, one has heard
// of a later job or ctx ends, and returns why those that are not as wanted are left.
func (c *Crew) until(ctx context.Context, targets []string, verb string, q Question, is func(node string, r Report) bool) map[string]error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	var mu sync.Mutex
	left := map[string]error{}
	var all sync.WaitGroup
	for _, node := range targets {
		left[node] = errors.New("it has not answered")
	}
	for _, node := range targets {
		all.Go(func() {
			c.one(ctx, node, verb, q, func(r Report, err error) bool {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case err != nil:
					left[node] = err
				case r.Later != "":
					left[node] = &laterError{r.Later}
					end()
				case is(node, r):
					delete(left, node)
					return true
				default:
					left[node] = errors.New(r.String())
				}
				return false
			})
		})
	}
	all.Wait()
	return left
}

// one asks a node until it is as wanted. Once the agent has begun, it is asked for its state; if
// that has failed, or the agent has begun anew, it is told again.
func (c *Crew) one(ctx context.Context, node, verb string, q Question, is func(Report, error) bool) {
	begun := false
	for ctx.Err() == nil {
		now := verb
		if begun {
			now = State
		}
		var r Report
		var err error
		if node == c.Self() {
			r, err = c.here(ctx, now, q)
		} else {
			r, err = c.ask(ctx, node, now, q)
		}
		if ctx.Err() != nil && err != nil {
			return
		}
		if is(r, err) {
			return
		}
		begun = err == nil && r.Doing != ""
		pause := pollEvery
		if r.Failed != "" {
			pause = againAfter
		}
		if wake.Pause(ctx, pause) != nil {
			return
		}
	}
}
