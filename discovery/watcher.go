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
	"thalassa/internal/wake"
	"thalassa/lb"
)

// Unconfirmed is the Stale of a service whose instances an earlier run stored, and
// for which this run has no result yet.
const Unconfirmed = "not confirmed since the agent started"

// A Watcher keeps the last usable answer for every wanted service. Its methods are
// safe for concurrent use.
type Watcher struct {
	client        *consul.Client
	now           func() time.Time
	logger        *slog.Logger
	acceptWarning bool
	wait, timeout time.Duration
	seed          maphash.Seed

	schedule    *schedule                     // owned by Run
	cancels     map[*query]context.CancelFunc // of the requests under way; owned by Run
	wanted      atomic.Pointer[[]lb.Name]
	published   atomic.Pointer[lb.Snapshot]
	publishedAt time.Time // owned by Run
	due         wake.Poke // wanted was set, or commands were given
	changed     wake.Poke

	mu       sync.Mutex
	commands []command

	names names
}

// New returns a Watcher whose snapshot is cfg.Initial. It sends no request before
// Run. The error names an invalid setting. A Consul that does not answer is not an
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
		client: c, now: cfg.Now, logger: cfg.Logger,
		acceptWarning: cfg.AcceptWarning, wait: cfg.WaitTime, timeout: cfg.Timeout,
		seed: maphash.MakeSeed(), cancels: map[*query]context.CancelFunc{},
		due: wake.NewPoke(), changed: wake.NewPoke(),
		schedule: &schedule{
			services:   map[lb.Name]*service{},
			maxWatched: cfg.MaxConns - reservedConns,
			initial:    restore(cfg.Initial, cfg.AcceptWarning),
			random:     rand.Float64,
			published:  true,
			policy:     policy{share: cfg.HoldShare, least: cfg.HoldMin, time: cfg.HoldTime, look: cfg.SecondLook},
		},
	}
	w.published.Store(&lb.Snapshot{Services: maps.Clone(w.schedule.initial)})
	return w, nil
}

// Follow has later queries use the token and the TLS settings of cfg. All other settings
// must be those of New. The error names an invalid setting; nothing has changed then.
func (w *Watcher) Follow(cfg Config) error { return w.client.Follow(cfg.server()) }

// restore returns the services of an earlier run, validated again, with health by
// the current settings, and marked as not confirmed.
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
			return err != nil || host.NoMember() != "" || host != i.Address.Host || i.Address.Port == 0
		})
		for n := range s.Instances {
			i := &s.Instances[n]
			i.Healthy = isHealthy(i.Status, acceptWarning)
		}
		out[s.Name] = s
	}
	return out
}

// Want replaces the set of watched services. New ones are requested at once; the
// others are removed from the snapshot. Before its first call, the snapshot is the
// initial one. It takes effect while Run runs.
func (w *Watcher) Want(names []lb.Name) {
	names = slices.Clone(names)
	w.wanted.Store(&names)
	w.due.Send()
}

// Snapshot returns every wanted service for which Consul has answered. It is
// immutable, and the call is cheap.
func (w *Watcher) Snapshot() lb.Snapshot { return *w.published.Load() }

// Changed receives a value when the snapshot has changed: an instance differs; a
// service is known for the first time or not wanted any more; or it is no longer
// confirmed, or confirmed again. It has one slot. A repeated confirmation is no
// change.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Run watches until ctx ends, which is not an error. It leaves no goroutine and no
// connection behind. The snapshot remains. It is called once.
func (w *Watcher) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		cancel()
		running.Wait()
		w.client.Close()
	}()
	results := make(chan result, w.schedule.maxWatched+fetchConns+catalogConns) // for all tasks at once
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		now := w.now()
		if names := w.wanted.Swap(nil); names != nil {
			w.schedule.want(*names, now)
		}
		w.runCommands(now)
		d := w.schedule.assign(now)
		for _, q := range d.cancel {
			w.cancels[q]()
		}
		for _, t := range d.start {
			taskCtx, cancel := context.WithCancel(ctx)
			w.cancels[t.query] = cancel
			running.Go(func() {
				defer cancel()
				results <- w.do(taskCtx, t)
			})
		}
		next := d.next
		if due := w.publish(ctx, now); !due.IsZero() && due.Before(next) {
			next = due
		}
		alarm.Reset(next.Sub(now))
		select {
		case <-ctx.Done():
			return nil
		case <-w.due:
		case <-alarm.C:
		case r := <-results:
			w.finish(r)
			for range len(results) { // those that have arrived meanwhile
				w.finish(<-results)
			}
		}
	}
}

// finish passes a result to the schedule.
func (w *Watcher) finish(r result) {
	delete(w.cancels, r.task.query)
	w.schedule.apply(r, w.now())
}

// confirmEvery is the minimum time between two snapshots that differ only in the
// time of confirmation. With a thousand services, there may be a hundred
// confirmations a second.
const confirmEvery = time.Second

// publish publishes the snapshot, notifies its users, and logs. It returns when a
// delayed snapshot is due; zero: there is none.
func (w *Watcher) publish(ctx context.Context, now time.Time) (due time.Time) {
	s := w.schedule
	if !s.published || s.confirmed && now.Sub(w.publishedAt) >= confirmEvery {
		snap := s.snapshot()
		w.published.Store(&snap)
		s.published, s.confirmed, w.publishedAt = true, false, now
	}
	if s.confirmed {
		due = w.publishedAt.Add(confirmEvery)
	}
	if s.changed {
		w.changed.Send()
		s.changed = false
	}
	for _, n := range s.notes {
		n.log(ctx, w.logger)
	}
	s.notes = nil
	return due
}

// do sends the request of a task and reads the answer.
func (w *Watcher) do(ctx context.Context, t task) result {
	timeout := w.timeout
	if t.index > 0 {
		// Consul adds up to a sixteenth, so that not all queries end together.
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
	case t.query == &w.schedule.catalog.tags:
		var tags map[string][]string
		tags, r.meta, r.err = w.client.Services(ctx, t.index, w.wait)
		r.tags = digestTags(w.seed, tags)
	default:
		state := "any"
		if t.query == &w.schedule.catalog.critical {
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
	begun := w.now()
	r.answer = answer{Meta: m, asked: r.task.index, at: begun}
	r.answer.instances, r.leftOut = parseInstances(entries, w.acceptWarning)
	r.answer.faults = faultsOf(entries)
	if len(entries) > 0 && entries[0] != nil && entries[0].Node != nil {
		r.answer.page = w.client.Page(string(name), entries[0].Node.Datacenter)
	}
	r.answer.silent = silent(entries, w.acceptWarning)
	r.serviceDigest, r.nodes = digestOf(w.seed, name, entries)
	r.meta.Cost += time.Since(begun)
}
