package canary

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// A Node carries out the steps, as *agent.Agent does.
type Node interface {
	Intent(ctx context.Context) (lb.Intent, error)
	Snapshot() lb.Snapshot
	Switch(ctx context.Context, s lb.Switch) (lb.Applied, error)
}

// A Store keeps the last canary of each backend, as *store.DB does.
type Store interface {
	SaveCanary(ctx context.Context, s lb.CanaryState) error
	DeleteCanary(ctx context.Context, backend lb.Name) error
	Canaries(ctx context.Context) ([]lb.CanaryState, error)
}

// A Journal takes events, as *activity.Log does.
type Journal interface {
	Note(e activity.Event)
}

// Config is what a Runner needs. The first four fields are required.
type Config struct {
	Node    Node
	Store   Store
	Journal Journal
	// Stats reads HAProxy's statistics of the servers of a backend.
	Stats func(ctx context.Context, backend lb.Name) ([]lb.ServerStats, error)
	// Permit is asked before every step and at every reading whether an author still has
	// the right to deploy. An error is the clause that follows the author's name. nil:
	// everybody has the right.
	Permit func(author string, backend lb.Name) error

	// Interval is the time between two readings (a twentieth of a step, between 100 ms
	// and 1 s).
	Interval time.Duration
	// MaxOutage is how long readings and changes may fail before the canary goes back,
	// and how long going back is repeated (1 min).
	MaxOutage time.Duration
	Now       func() time.Time // time.Now
	Logger    *slog.Logger     // discards
}

func (c Config) withDefaults() Config {
	if c.MaxOutage <= 0 {
		c.MaxOutage = time.Minute
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// A Runner owns the canaries of a node. Its methods may be called from any goroutine.
type Runner struct {
	cfg     Config
	changed wake.Signal // a state has
	due     wake.Poke   // canaries wait for Run

	mu       sync.Mutex
	canaries map[lb.Name]*rollout // the last one of each backend
	waiting  []*rollout           // for Run
}

// New makes a Runner with the canaries in the store. Those under way continue with Run.
func New(ctx context.Context, cfg Config) (*Runner, error) {
	r := &Runner{cfg: cfg.withDefaults(), due: wake.NewPoke(), canaries: map[lb.Name]*rollout{}}
	stored, err := r.cfg.Store.Canaries(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the canaries: %w", err)
	}
	in, err := r.cfg.Node.Intent(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the backends of the canaries: %w", err)
	}
	for _, state := range stored {
		b, exists := in.Backends[state.Backend]
		unchanged := state.Phase == lb.CanaryStarting && (state.Next == "" || b.ETag() != state.Next)
		if !exists && state.Phase.IsEnd() || unchanged {
			if err := r.cfg.Store.DeleteCanary(ctx, state.Backend); err != nil {
				return nil, fmt.Errorf("forgetting a canary: %w", err)
			}
			continue
		}
		c := r.newRollout(state)
		c.resumed = r.cfg.Now()
		r.canaries[state.Backend] = c
		if !state.Phase.IsEnd() {
			r.waiting = append(r.waiting, c)
		}
	}
	return r, nil
}

// Run carries out canaries until ctx ends, which is no error. A canary under way stays at
// its step then, and continues with the next Runner.
func (r *Runner) Run(ctx context.Context) error {
	g := &errgroup.Group{}
	for {
		for _, c := range r.take() {
			g.Go(func() error { c.run(ctx); return nil })
		}
		select {
		case <-r.due:
		case <-ctx.Done():
			return g.Wait()
		}
	}
}

// take are the canaries that wait for Run.
func (r *Runner) take() []*rollout {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := r.waiting
	r.waiting = nil
	return list
}

// hand leaves a canary to Run.
func (r *Runner) hand(c *rollout) {
	r.mu.Lock()
	r.waiting = append(r.waiting, c)
	r.mu.Unlock()
	r.due.Send()
}

// Start begins a canary and returns when its first step is in effect. Until then nothing
// has changed, and the end of ctx ends the waiting. Errors: those of agent.Agent.Switch,
// and a *lb.ConflictError for a backend that has a canary under way.
func (r *Runner) Start(ctx context.Context, c lb.Canary) (lb.CanaryState, error) {
	state, err := r.prepare(ctx, c)
	if err != nil {
		return lb.CanaryState{}, err
	}
	run := r.newRollout(state)
	former, err := r.reserve(run)
	if err != nil {
		return lb.CanaryState{}, err
	}
	if err := run.begin(ctx); err != nil {
		r.forget(context.WithoutCancel(ctx), run, former)
		return lb.CanaryState{}, err
	}
	if state = run.current(); !state.Phase.IsEnd() {
		r.hand(run)
	}
	return state, nil
}

// prepare finds out what a canary starts from.
func (r *Runner) prepare(ctx context.Context, c lb.Canary) (lb.CanaryState, error) {
	in, err := r.cfg.Node.Intent(ctx)
	if err != nil {
		return lb.CanaryState{}, err
	}
	r.prune(ctx, in)
	b, ok := in.Backends[c.Backend]
	switch {
	case !ok:
		return lb.CanaryState{}, &lb.NotFoundError{ID: lb.Backend{Key: c.Backend}.ID()}
	case b.Type != "dynamic":
		return lb.CanaryState{}, &lb.ConflictError{ID: b.ID(), Reason: "is static: it lists its members itself and has no version to deploy"}
	case len(c.IfMatch) > 0 && !slices.Contains(c.IfMatch, b.ETag()) && !slices.Contains(c.IfMatch, "*"):
		return lb.CanaryState{}, &lb.PreconditionError{ID: b.ID(), Current: b.ETag()}
	}
	state := lb.CanaryState{
		Canary: c, Phase: lb.CanaryStarting, Service: b.Service, Tag: b.ETag(), Selection: b.Selection(),
		Others: slices.DeleteFunc(slices.Clone(b.Split()), func(s lb.Share) bool { return s.Weight == 0 || s.Version == c.Version }),
	}
	if _, err := state.Forward(state.NextPercent()); err != nil {
		return lb.CanaryState{}, &lb.ConflictError{ID: b.ID(), Reason: err.Error()}
	}
	return state, nil
}

// prune forgets the canaries of backends that no longer exist.
func (r *Runner) prune(ctx context.Context, in lb.Intent) {
	var gone []lb.Name
	r.mu.Lock()
	for key, c := range r.canaries {
		if _, exists := in.Backends[key]; !exists && c.current().Phase.IsEnd() {
			gone = append(gone, key)
			delete(r.canaries, key)
		}
	}
	r.mu.Unlock()
	for _, key := range gone {
		if err := r.cfg.Store.DeleteCanary(ctx, key); err != nil { // New forgets it, too
			r.cfg.Logger.WarnContext(ctx, "canary of a deleted backend is still stored", "backend", string(key), "error", err)
		}
	}
}

// reserve makes a canary the one of its backend; former is the one before.
func (r *Runner) reserve(c *rollout) (former *rollout, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state := c.current()
	if former = r.canaries[state.Backend]; former != nil {
		if now := former.current(); !now.Phase.IsEnd() {
			return nil, &lb.ConflictError{ID: lb.Backend{Key: state.Backend}.ID(), Reason: fmt.Sprintf("a canary of version %s is under way (%s, %d%%)", now.Version, now.Phase, now.Percent)}
		}
	}
	r.canaries[state.Backend] = c
	r.changed.Broadcast()
	return former, nil
}

// forget removes a canary that did not begin, here and from the store.
func (r *Runner) forget(ctx context.Context, c, former *rollout) {
	key := c.current().Backend
	r.mu.Lock()
	if former != nil {
		r.canaries[key] = former
	} else {
		delete(r.canaries, key)
	}
	r.mu.Unlock()
	r.changed.Broadcast()
	var err error
	if former != nil {
		err = r.cfg.Store.SaveCanary(ctx, former.current())
	} else {
		err = r.cfg.Store.DeleteCanary(ctx, key)
	}
	if err != nil { // New forgets it, because its backend is as before
		r.cfg.Logger.WarnContext(ctx, "canary that did not begin is still stored", "backend", string(key), "error", err)
	}
}

// Changed returns a channel that is closed when a state changes. Take it before reading.
func (r *Runner) Changed() <-chan struct{} { return r.changed.Next() }

// Canary is the last canary of a backend; *lb.NotFoundError if there was none.
func (r *Runner) Canary(backend lb.Name) (lb.CanaryState, error) {
	c, err := r.find(backend)
	if err != nil {
		return lb.CanaryState{}, err
	}
	return c.current(), nil
}

// Canaries are the last canaries of all backends, by backend.
func (r *Runner) Canaries() []lb.CanaryState {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]lb.CanaryState, 0, len(r.canaries))
	for _, c := range r.canaries {
		list = append(list, c.current())
	}
	slices.SortFunc(list, func(a, b lb.CanaryState) int { return cmp.Compare(a.Backend, b.Backend) })
	return list
}

func (r *Runner) find(backend lb.Name) (*rollout, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.canaries[backend]; c != nil {
		return c, nil
	}
	return nil, &lb.NotFoundError{ID: "canary/" + string(backend)}
}

// settleTime bounds the wait for the end that an action asks for.
const settleTime = 45 * time.Second

// Act carries out an action on a canary under way. It returns when the canary is paused,
// resumed or renewed, or, for the other actions, when it has ended; after 45 s it returns
// a state that has not. Errors: *lb.NotFoundError, and *lb.ConflictError for a canary that
// has ended or whose phase does not allow the action. The end of ctx ends the waiting, not
// the action.
func (r *Runner) Act(ctx context.Context, backend lb.Name, a lb.CanaryAction, by lb.Origin) (lb.CanaryState, error) {
	c, err := r.find(backend)
	if err != nil {
		return lb.CanaryState{}, err
	}
	if err := c.ask(ctx, a, by); err != nil {
		return lb.CanaryState{}, err
	}
	limit := time.NewTimer(settleTime)
	defer limit.Stop()
	for a == lb.CanaryGoBack || a == lb.CanaryFinish {
		next := r.changed.Next()
		if c.current().Phase.IsEnd() {
			break
		}
		select {
		case <-next:
		case <-limit.C:
			return c.current(), nil
		case <-ctx.Done():
			return lb.CanaryState{}, ctx.Err()
		}
	}
	return c.current(), nil
}
