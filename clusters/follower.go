package clusters

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"thalassa/client"
	"thalassa/cluster"
	"thalassa/internal/wake"
)

const (
	// newsWait is how long an agent waits for a change of its cluster before it answers. The state
	// is asked for after it in any case: not every change is one of the CIB. One that has not
	// answered newsGrace later may be silent.
	newsWait  = 3 * time.Second
	newsGrace = 2 * time.Second
	// leastPause is the least time between two questions for the state of a cluster.
	leastPause = time.Second
)

// A view is what is known of a cluster. It is immutable.
type view struct {
	summary cluster.Summary
	status  *cluster.Status // the last one; nil: none yet
}

// A follower follows one cluster.
type follower struct {
	source Source
	agents []*agent
	now    func() time.Time
	log    *slog.Logger
	// changed is called after each change of the view.
	changed func()
	passing chan struct{} // one slot for each request that is passed on

	mu      sync.Mutex
	current *agent // has told the view; nil: none yet
	view    view

	end context.CancelFunc // of Run; nil: it has not begun. Guarded by the Fleet.
}

func newFollower(s Source, cfg Config, changed func(), decoding chan struct{}) (*follower, error) {
	f := &follower{source: s, now: cfg.Now, log: cfg.Logger.With("cluster", s.entry.Name), changed: changed, passing: make(chan struct{}, mostPassed)}
	for _, address := range s.entry.Addresses {
		a, err := newAgent(s, address, cfg.Now, decoding)
		if err != nil {
			return nil, err
		}
		f.agents = append(f.agents, a)
	}
	f.view.summary = cluster.Summarized(cluster.Status{State: cluster.StateUnknown})
	f.view.summary.Name = s.entry.Name
	f.view.summary.Agents = f.states()
	return f, nil
}

// run follows the cluster until ctx ends.
func (f *follower) run(ctx context.Context) {
	defer func() {
		for _, a := range f.agents {
			client.CloseIdle(a.client)
		}
	}()
	var doubt error
	for ctx.Err() == nil {
		f.look(ctx, doubt)
		doubt = f.wait(ctx)
	}
}

// look asks for the state: the agent that has told it last, and if that knows too little, all
// others that are due at the same time. If doubt says why that agent may be silent, all are asked
// at once, and it counts as one that does not answer if another one goes on.
func (f *follower) look(ctx context.Context, doubt error) {
	var best *told
	first := f.known()
	switch {
	case doubt != nil:
		best = f.askOthers(ctx, nil, nil)
		if best != nil && best.by != first && first.isDue() && ctx.Err() == nil {
			f.note(ctx, first, doubt)
		}
	case first != nil && first.isDue():
		best = f.ask(ctx, first)
	}
	if doubt == nil && (best == nil || !best.hasQuorum()) {
		best = f.askOthers(ctx, first, best)
	}
	if ctx.Err() == nil {
		f.publish(best)
	}
}

// told is the state of a cluster as an agent has told it.
type told struct {
	by     *agent
	status cluster.Status
}

// hasQuorum reports whether no other agent can know more: this one sees the partition with quorum.
func (t *told) hasQuorum() bool { return t.status.Quorum && !t.isOffline() }

func (t *told) isOffline() bool { return t.status.State == cluster.StateOffline }

// better is the one of two that knows more, the first one if both know as much; each may be nil.
func better(a, b *told) *told {
	rank := func(t *told) int {
		switch {
		case t == nil:
			return 0
		case t.isOffline():
			return 1
		case !t.hasQuorum():
			return 2
		}
		return 3
	}
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// ask asks an agent for the state; nil: it gives no usable answer.
func (f *follower) ask(ctx context.Context, a *agent) *told {
	status, err := a.status(ctx)
	if ctx.Err() != nil {
		return nil
	}
	f.note(ctx, a, err)
	if err != nil {
		return nil
	}
	return &told{a, status}
}

// note remembers how an agent has answered, and logs what is new.
func (f *follower) note(ctx context.Context, a *agent, err error) {
	isNews := a.note(err)
	switch {
	case err != nil && isNews:
		f.log.WarnContext(ctx, "agent of another cluster gives no usable answer", "address", a.address, "error", causeOf(err))
	case err == nil && isNews:
		f.log.InfoContext(ctx, "agent of another cluster answers again", "address", a.address)
	}
}

// askOthers asks all agents that are due but one at the same time. It returns as soon as one sees
// quorum, or with the best of all and a former answer.
func (f *follower) askOthers(ctx context.Context, but *agent, best *told) *told {
	ctx, cancel := context.WithCancel(ctx)
	answers := make(chan *told)
	asked := 0
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	for _, a := range f.agents {
		if a == but || !a.isDue() {
			continue
		}
		asked++
		group.Go(func() {
			answer := f.ask(ctx, a)
			select {
			case answers <- answer:
			case <-ctx.Done():
			}
		})
	}
	for range asked {
		select {
		case answer := <-answers:
			if best = better(best, answer); best != nil && best.hasQuorum() {
				return best
			}
		case <-ctx.Done():
			return best
		}
	}
	return best
}

// publish makes a view of an answer; nil: there is none.
func (f *follower) publish(t *told) {
	f.mu.Lock()
	before := f.view.summary.State
	next := f.view
	if t != nil {
		f.current = t.by
		next.status, next.summary = &t.status, cluster.Summarized(t.status)
		next.summary.Name, next.summary.Address, next.summary.Seen = f.source.entry.Name, t.by.address, f.now()
	} else {
		next.summary.State = cluster.StateUnreachable
	}
	next.summary.Agents = f.states()
	f.view = next
	f.mu.Unlock()
	if before != next.summary.State {
		f.log.Info("state of another cluster", "state", next.summary.State, "before", before)
	}
	f.changed()
}

// states is how the agents answer.
func (f *follower) states() []cluster.AgentState {
	out := make([]cluster.AgentState, len(f.agents))
	for i, a := range f.agents {
		out[i] = a.state()
	}
	return out
}

// known is the agent that has told the view; nil: none has.
func (f *follower) known() *agent {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// last is the view.
func (f *follower) last() view {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.view
}

// wait waits until the state should be asked for again. The error says why the agent that has told
// it may be silent.
func (f *follower) wait(ctx context.Context) (doubt error) {
	_ = wake.Pause(ctx, leastPause) // the end of ctx ends run, as below
	v := f.last()
	switch a := f.known(); {
	case a == nil || v.summary.State == cluster.StateUnreachable:
		_ = wake.Pause(ctx, f.untilDue()) // the end of ctx ends run
	case v.status.Quorum && v.summary.State != cluster.StateOffline:
		if err := a.await(ctx, v.status.Epoch, newsWait, newsGrace); errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		// Another failure shows at once with the next question.
	default: // another node may know more
		_ = wake.Pause(ctx, leastPause)
	}
	return nil
}

// untilDue is how long no agent may be asked.
func (f *follower) untilDue() time.Duration {
	now := f.now()
	least := mostRetry
	for _, a := range f.agents {
		least = min(least, max(0, a.state().Retry.Sub(now)))
	}
	return least
}

// order is the agents in the order in which a request is passed to them: first the one that has
// told the view, and none that is not due.
func (f *follower) order() []*agent {
	first := f.known()
	all := slices.Clone(f.agents)
	slices.SortStableFunc(all, func(a, b *agent) int {
		switch {
		case a == first && b != first:
			return -1
		case b == first && a != first:
			return 1
		}
		return 0
	})
	return slices.DeleteFunc(all, func(a *agent) bool { return !a.isDue() })
}

// causeOf is an error with what callers do not see of it.
func causeOf(err error) error {
	if own, ok := errors.AsType[fileError](err); ok {
		return own.err
	}
	return err
}
