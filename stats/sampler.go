package stats

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/statsock"
)

const (
	// patience bounds one question.
	patience = 5 * time.Second
	// secondTry is how long after a question that failed it is asked again: one
	// may fail while HAProxy changes workers.
	secondTry = 100 * time.Millisecond
	// maxOld bounds how many old workers are asked.
	maxOld = 8
	// oldPatience bounds what old workers may add to a tick: one that hangs must
	// not hold up what the present one has told.
	oldPatience = time.Second
)

// Config is what a Sampler needs. Client is required.
type Config struct {
	Client *statsock.Client
	// Master reaches workers that are ending; nil: what they go on counting is
	// lost.
	Master *statsock.Master
	// Detour is the worker that is to be asked through Master, because the stats socket
	// does not lead to it; 0, or nil: it does.
	Detour func(ctx context.Context) (pid int)
	// Layout is the configuration that HAProxy runs; ok is false while that is
	// not known. nil: Thalassa made none of the backends.
	Layout func() (c lb.Config, ok bool)
	// Occupied is how long a process has run, or waited for a processor, so far; nil,
	// or an error: how busy HAProxy is is told by itself alone.
	Occupied func(pid int) (time.Duration, error)
	// Interval between two ticks (1 s).
	Interval time.Duration
	Logger   *slog.Logger // discards
}

// A Sampler asks HAProxy once per tick, and tells any number of readers. Make it
// with New, let Run run; the other methods may be called from any goroutine
// meanwhile.
type Sampler struct {
	cfg     Config
	table   table
	ticked  wake.Signal
	workers atomic.Pointer[answer]
	demand  demand

	// Of Run alone.
	scanner  statsock.Scanner
	met      bool // HAProxy has answered
	present  *worker
	old      []*worker
	throttle throttle
	load     load
	silent   bool // it did not answer last time

	// Of the reader of Changes alone.
	changed, totals collection
}

// An answer is who answered last, and when.
type answer struct {
	Workers
	info     statsock.Info
	answered time.Time
	members  time.Time // when HAProxy answered about them last
}

// Workers are the processes of HAProxy that count.
type Workers struct {
	PID int // of the present one; 0: HAProxy does not answer
	Old int // that are ending
}

// New makes a Sampler. It starts nothing.
func New(cfg Config) *Sampler {
	if cfg.Interval <= 0 {
		cfg.Interval = time.Second
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sampler{cfg: cfg, table: table{series: map[string]*Series{}, byKey: map[string][]*Series{}}}
	s.demand.requested = make(chan struct{}, 1)
	s.workers.Store(&answer{})
	return s
}

// Interval is the time between two ticks.
func (s *Sampler) Interval() time.Duration { return s.cfg.Interval }

// Run samples until ctx ends, which is no error.
func (s *Sampler) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	s.sample(ctx)
	for {
		select {
		case <-tick.C:
			s.sample(ctx)
		case <-s.demand.requested:
			s.refreshMembers(ctx)
			s.demand.refreshed.Broadcast()
		case <-ctx.Done():
			return nil
		}
	}
}

// sample is one tick.
func (s *Sampler) sample(ctx context.Context) {
	defer s.ticked.Broadcast()
	config, known := s.layout()
	what := proxies
	if known && s.throttle.isDue(time.Now(), s.demand.hasSubscribers.Load(), s.cfg.Interval) {
		what = everything
	}
	before := s.present
	err := s.ask(ctx, what)
	if err != nil && ctx.Err() == nil {
		_ = wake.Pause(ctx, secondTry) // whose end shows below
		err = s.ask(ctx, what)
	}
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		s.fail(ctx, err)
		return
	}
	if s.silent {
		s.silent = false
		s.cfg.Logger.InfoContext(ctx, "haproxy tells its statistics again", "worker", s.present.pid)
	}
	s.commit(ctx, config.Backends, before, what)
}

// commit takes over a tick in which the worker before was the present one at first.
func (s *Sampler) commit(ctx context.Context, backends []lb.Pool, before *worker, what scope) {
	now, info := time.Now(), s.scanner.Info
	members := s.workers.Load().members
	if what.has(servers) {
		s.throttle.asked, s.throttle.betweenTicks, members = now, false, now
	}
	ofOld := what
	if s.present != before {
		s.replace(ctx, before)
		ofOld = everything // there may be no other time to hear what they have counted
	}
	workers := append([]*worker{s.present}, s.askOld(ctx, ofOld)...)
	s.met = true
	s.table.commit(now, backends, what, workers)
	s.workers.Store(&answer{Workers{PID: s.present.pid, Old: len(s.old)}, info, now, members})
}

// layout is what HAProxy runs; false: that is not known.
func (s *Sampler) layout() (lb.Config, bool) {
	if s.cfg.Layout == nil {
		return lb.Config{}, true
	}
	if config, known := s.cfg.Layout(); known {
		return config, true
	}
	return lb.Config{}, false
}

// ask reads the present worker.
func (s *Sampler) ask(ctx context.Context, what scope) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	begin := time.Now()
	w, err := scan(ctx, &s.scanner, s.client(ctx), what.query(), s.answering)
	if err != nil {
		return err
	}
	s.present = w
	s.throttle.idle = s.idle(time.Now())
	if what.has(servers) {
		s.throttle.took, s.throttle.lines = time.Since(begin), len(w.order)
	}
	return nil
}

// client is the way to the present worker.
func (s *Sampler) client(ctx context.Context) *statsock.Client {
	if s.cfg.Detour != nil && s.cfg.Master != nil {
		if pid := s.cfg.Detour(ctx); pid != 0 {
			return s.cfg.Master.Worker(pid)
		}
	}
	return s.cfg.Client
}

// A scope is what HAProxy is asked about.
type scope int

const (
	proxies scope = 1 << iota // frontends and backends
	servers

	everything = proxies | servers
)

func (c scope) has(o scope) bool { return c&o != 0 }

// covers says whether objects of a kind are in it.
func (c scope) covers(k Kind) bool {
	return c.has(servers) && k == Member || c.has(proxies) && k != Member
}

func (c scope) query() statsock.StatQuery {
	q := statsock.StatQuery{InUse: true}
	for _, k := range []Kind{Frontend, Backend, Member} {
		if c.covers(k) {
			q.Kinds = append(q.Kinds, k)
		}
	}
	return q
}

// answering is the worker that answers on the stats socket. It becomes the
// present one when its whole answer is there.
func (s *Sampler) answering() *worker {
	pid := s.scanner.Info.PID
	if s.present != nil && s.present.pid == pid {
		return s.present
	}
	if i := slices.IndexFunc(s.old, func(w *worker) bool { return w.pid == pid }); i >= 0 {
		return s.old[i] // a reload was taken back
	}
	return newWorker(pid, !s.met)
}

// replace makes the worker that answered before an old one, and finds those that
// are ending.
func (s *Sampler) replace(ctx context.Context, before *worker) {
	s.old = slices.DeleteFunc(s.old, func(w *worker) bool { return w == s.present })
	if before != nil {
		s.old = append(s.old, before)
	}
	s.findOld(ctx)
}

// findOld asks the master which old workers there are. Those that have ended
// are forgotten; what they counted stays in the totals.
func (s *Sampler) findOld(ctx context.Context) {
	if s.cfg.Master == nil {
		s.old = nil
		return
	}
	ctx, cancel := context.WithTimeout(ctx, oldPatience)
	defer cancel()
	procs, err := s.cfg.Master.ShowProc(ctx)
	if err != nil {
		return // the next tick asks again
	}
	var old []*worker
	for _, pid := range procs.PIDs() {
		if pid == s.present.pid {
			continue
		}
		i := slices.IndexFunc(s.old, func(w *worker) bool { return w.pid == pid })
		if i < 0 {
			old = append(old, newWorker(pid, !s.met))
			continue
		}
		old = append(old, s.old[i])
	}
	s.old = old[:min(len(old), maxOld)]
}

// askOld reads the workers that are ending, all at once, and gives those that
// answered in time.
func (s *Sampler) askOld(ctx context.Context, what scope) []*worker {
	if len(s.old) == 0 {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, oldPatience)
	defer cancel()
	scanned := make([]*worker, len(s.old))
	var all sync.WaitGroup
	for i, w := range s.old {
		all.Go(func() {
			scanned[i], _ = scan(within, &w.scanner, s.cfg.Master.Worker(w.pid), what.query(), func() *worker { return w })
		})
	}
	all.Wait()
	answered := slices.DeleteFunc(scanned, func(w *worker) bool { return w == nil })
	if len(answered) < len(s.old) {
		s.findOld(ctx)
	}
	return answered
}

func (s *Sampler) fail(ctx context.Context, err error) {
	if !s.silent {
		s.silent = true
		s.cfg.Logger.WarnContext(ctx, "haproxy does not tell its statistics", "error", err)
	}
	s.workers.Store(&answer{answered: s.workers.Load().answered}) // nor are members known
	s.table.markGap(time.Now())
}

// String describes the workers for logs.
func (w Workers) String() string { return fmt.Sprintf("worker %d and %d old ones", w.PID, w.Old) }
