package discovery

import (
	"context"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// Unconfirmed is the Stale of a service of which only an earlier run's word is
// known: Consul has not been asked successfully, nor failed, since.
const Unconfirmed = "not confirmed since the agent started"

// A Watcher keeps the last good answer about every wanted service. Its methods
// may be called from any goroutine.
type Watcher struct {
	client        *consul.Client
	logger        *slog.Logger
	acceptWarning bool
	wait, timeout time.Duration
	seed          maphash.Seed

	schedule  *schedule // owned by Run
	wanted    atomic.Pointer[[]lb.Name]
	published atomic.Pointer[lb.Snapshot]
	handed    time.Time     // out last; of Run alone
	wake      chan struct{} // one slot: wanted was set, or commands were given
	changed   chan struct{} // one slot

	mu       sync.Mutex
	commands []command
}

// New makes a Watcher that serves cfg.Initial; nothing is asked before Run. The
// error says which setting cannot be used; a Consul that does not answer is no
// error, here or later.
func New(cfg Config) (*Watcher, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("watching consul: %w", err)
	}
	c, err := consul.New(cfg.server())
	if err != nil {
		return nil, fmt.Errorf("watching consul: %w", err)
	}
	w := &Watcher{
		client: c, logger: cfg.Logger,
		acceptWarning: cfg.AcceptWarning, wait: cfg.WaitTime, timeout: cfg.Timeout,
		seed: maphash.MakeSeed(),
		wake: make(chan struct{}, 1), changed: make(chan struct{}, 1),
		schedule: &schedule{
			services: map[lb.Name]*service{},
			hot:      cfg.MaxConns - reservedConns,
			initial:  restore(cfg.Initial, cfg.AcceptWarning),
			random:   rand.Float64,
			fresh:    true,
			policy:   policy{share: cfg.HoldShare, least: cfg.HoldMin, time: cfg.HoldTime, look: cfg.SecondLook},
		},
	}
	w.published.Store(&lb.Snapshot{Services: maps.Clone(w.schedule.initial)})
	return w, nil
}

// restore makes what an earlier run stored fit to be served: checked again,
// judged by the present policy, and marked as not confirmed.
func restore(old lb.Snapshot, acceptWarning bool) map[lb.Name]lb.Service {
	out := make(map[lb.Name]lb.Service, len(old.Services))
	for _, s := range old.Services {
		if _, err := lb.ParseName(string(s.Name)); err != nil {
			continue
		}
		s.Stale = Unconfirmed
		s.Instances = slices.Clone(s.Instances)
		s.Instances = slices.DeleteFunc(s.Instances, func(i lb.Instance) bool {
			host, err := lb.ParseHost(string(i.Address.Host))
			return err != nil || host.IsAny() || host != i.Address.Host || i.Address.Port == 0
		})
		for n := range s.Instances {
			i := &s.Instances[n]
			i.Healthy = isHealthy(i.Status, acceptWarning)
		}
		out[s.Name] = s
	}
	return out
}

// Want replaces the set of watched services. New ones are asked for promptly;
// the others leave the snapshot. Before its first call the snapshot is the
// initial one. It takes effect while Run runs.
func (w *Watcher) Want(names []lb.Name) {
	names = slices.Clone(names)
	w.wanted.Store(&names)
	notify(w.wake)
}

// Snapshot is what Consul said about every wanted service that it has answered
// for. It is immutable, and cheap to get.
func (w *Watcher) Snapshot() lb.Snapshot { return *w.published.Load() }

// Changed has one slot that is filled when the snapshot changed: an instance
// differs, a service was answered for the first time, left the snapshot, is not
// confirmed any more or is again. A confirmation alone fills nothing.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

func notify(slot chan<- struct{}) {
	select {
	case slot <- struct{}{}:
	default: // somebody will look already
	}
}

// Run watches until ctx ends, which is no error, and leaves neither goroutine
// nor connection behind. The snapshot stays. It is called once.
func (w *Watcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		cancel()
		running.Wait()
		w.client.Close()
	}()
	results := make(chan result, w.schedule.hot+fetchConns+catalogConns) // a slot for each task
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		now := time.Now()
		if names := w.wanted.Swap(nil); names != nil {
			w.schedule.want(*names, now)
		}
		w.runCommands(now)
		tasks, next := w.schedule.assign(now)
		for _, t := range tasks {
			taskCtx, cancel := context.WithCancel(ctx)
			t.query.cancel = cancel
			running.Go(func() {
				defer cancel()
				results <- w.do(taskCtx, t)
			})
		}
		if due := w.publish(ctx, now); !due.IsZero() && due.Before(next) {
			next = due
		}
		alarm.Reset(next.Sub(now))
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-alarm.C:
		case r := <-results:
			w.schedule.apply(r, time.Now())
			for range len(results) { // those that came in the meantime
				w.schedule.apply(<-results, time.Now())
			}
		}
	}
}

// confirmEvery is the time between two snapshots that differ only in when Consul
// confirmed them: of a thousand services there may be a hundred such a second.
const confirmEvery = time.Second

// publish hands out the latest and tells of it. It returns when something that is
// not handed out yet is due; zero: there is nothing.
func (w *Watcher) publish(ctx context.Context, now time.Time) (due time.Time) {
	s := w.schedule
	if !s.fresh || s.confirmed && now.Sub(w.handed) >= confirmEvery {
		snap := s.snapshot()
		w.published.Store(&snap)
		s.fresh, s.confirmed, w.handed = true, false, now
	}
	if s.confirmed {
		due = w.handed.Add(confirmEvery)
	}
	if s.poke {
		notify(w.changed)
		s.poke = false
	}
	for _, n := range s.notes {
		w.log(ctx, n)
	}
	s.notes = nil
	return due
}

func (w *Watcher) log(ctx context.Context, n note) {
	logger := w.logger
	if n.service != "" {
		logger = logger.With("service", string(n.service))
	}
	switch n.kind {
	case noteOutage:
		logger.WarnContext(ctx, "consul does not answer, keeping what it said last", "reason", n.reason)
	case noteOutageOver:
		logger.InfoContext(ctx, "consul answers again")
	case noteUnusable:
		logger.WarnContext(ctx, "answer of consul cannot be used, keeping the last one", "reason", n.reason)
	case noteUsable:
		logger.InfoContext(ctx, "answer of consul can be used again")
	case noteHeld:
		logger.WarnContext(ctx, "consul's answer lacks too much at once, keeping the instances", "reason", n.reason)
	case noteReleased:
		logger.InfoContext(ctx, "instances not held any more", "reason", n.reason)
	case noteLeftOut:
		logger.WarnContext(ctx, "instance left out", "node", n.leftOut.node, "id", n.leftOut.id, "reason", n.leftOut.reason)
	}
}

// do makes the request of a task and reads the answer.
func (w *Watcher) do(ctx context.Context, t task) result {
	timeout := w.timeout
	if t.index > 0 {
		// Consul adds up to a sixteenth so that not all queries end together.
		timeout += w.wait + w.wait/16
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	r := result{task: t}
	begun := time.Now()
	switch {
	case t.service != nil:
		w.askService(ctx, &r)
	case t.query == &w.schedule.probe:
		w.askProbe(ctx, &r)
	case t.query == &w.schedule.catalog:
		var tags map[string][]string
		tags, r.meta, r.err = w.client.Services(ctx, t.index, w.wait)
		r.tags = digestTags(w.seed, tags)
	default:
		state := "any"
		if t.query == &w.schedule.critical {
			state = consul.Critical
		}
		r.digests = newDigests(w.seed)
		r.meta, r.err = w.client.Checks(ctx, state, t.index, w.wait, r.digests.add)
	}
	r.took = time.Since(begun)
	return r
}

func (w *Watcher) askService(ctx context.Context, r *result) {
	name := r.task.service.name
	entries, m, err := w.client.Service(ctx, string(name), r.task.index, w.wait)
	r.meta, r.err = m, err
	if err != nil {
		return
	}
	begun := time.Now()
	r.answer = answer{Meta: m, asked: r.task.index, at: begun}
	r.answer.instances, r.leftOut = parseInstances(entries, w.acceptWarning)
	r.answer.silent = silent(entries, w.acceptWarning)
	r.serviceDigest, r.nodes = digestOf(w.seed, name, entries)
	r.meta.Cost += time.Since(begun)
}
