package stats

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/statsock"
)

// secondTry is how long after a failed query it is repeated: a query may fail while HAProxy
// changes workers.
const secondTry = 100 * time.Millisecond

// Config is what a Sampler needs. Client is required.
type Config struct {
	Client *statsock.Client
	// Master reaches old workers; nil: what they count until they end is lost.
	Master *statsock.Master
	// Detour is the PID of the worker to query through Master, because the stats socket
	// does not lead to it; 0, or nil: the socket does.
	Detour func(ctx context.Context) (pid int)
	// Layout is the configuration that HAProxy runs; ok is false while it is
	// not known. nil: no backend is Thalassa's.
	Layout func() (c lb.Config, ok bool)
	// Occupied is how long a process has run, or waited for a processor, so far; nil,
	// or an error: only HAProxy's own idle time is known.
	Occupied func(pid int) (time.Duration, error)
	// Interval between two ticks (1 s).
	Interval time.Duration
	// Moved is called with what HAProxy decided about members since the last call. It
	// must not block, or call the Sampler. nil: nobody is told.
	Moved  func([]Move)
	Now    func() time.Time // time.Now
	Logger *slog.Logger     // discards
}

// A Sampler queries HAProxy once per tick for any number of readers. Make it
// with New, and call Run; the other methods may be called from any goroutine
// meanwhile.
type Sampler struct {
	cfg     Config
	table   table
	ticked  wake.Signal
	workers atomic.Pointer[answer]
	demand  demand

	// Used by Run alone, except reader.holder.
	reader   workerReader
	throttle throttle
	silent   bool // HAProxy did not answer in the last tick

	// Used by the reader of Changes alone.
	changed, totals collection
}

// An answer is who answered last, and when.
type answer struct {
	Workers
	info     statsock.Info
	answered time.Time
	members  time.Time // of the last answer about members
}

// Workers are the processes of HAProxy whose counters are read.
type Workers struct {
	PID int // of the present worker; 0: HAProxy does not answer
	Old int // workers that are ending
}

// New makes a Sampler. It starts nothing.
func New(cfg Config) *Sampler {
	if cfg.Interval <= 0 {
		cfg.Interval = time.Second
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Sampler{
		cfg: cfg, table: table{series: map[string]*Series{}, byKey: map[string][]*Series{}},
		reader: workerReader{
			client: cfg.Client, master: cfg.Master, detour: cfg.Detour, occupied: cfg.Occupied,
			holder: holder{client: cfg.Client, holds: map[int]*hold{}}, forgotten: map[int]bool{},
		},
	}
	s.demand.requested = wake.NewPoke()
	s.workers.Store(&answer{})
	return s
}

// Interval is the time between two ticks.
func (s *Sampler) Interval() time.Duration { return s.cfg.Interval }

// Run samples until ctx ends, which is no error.
func (s *Sampler) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	look := time.NewTicker(holdInterval)
	defer look.Stop()
	defer s.reader.holder.close()
	s.sample(ctx)
	for {
		select {
		case now := <-look.C:
			s.reader.settle(ctx, now)
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
	defer s.reportMoves()
	config, known := s.layout()
	what := proxies
	if known && s.throttle.isDue(s.cfg.Now(), s.demand.hasSubscribers.Load(), s.cfg.Interval) {
		what = everything
	}
	before := s.reader.present
	err := s.query(ctx, what)
	if err != nil && ctx.Err() == nil {
		_ = wake.Pause(ctx, secondTry) // ctx is checked below
		err = s.query(ctx, what)
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
		s.cfg.Logger.InfoContext(ctx, "haproxy statistics are available again", "worker", s.reader.present.pid)
	}
	s.commit(ctx, config.Backends, before, what)
}

// query reads the present worker, and updates what the throttle knows of it.
func (s *Sampler) query(ctx context.Context, what scope) error {
	took, err := s.reader.read(ctx, what)
	if err != nil {
		return err
	}
	s.throttle.idle = s.reader.idle(s.cfg.Now())
	if what.has(servers) {
		s.throttle.took, s.throttle.lines = took, len(s.reader.present.order)
	}
	return nil
}

// commit ends a tick at whose start the worker before was the present one.
func (s *Sampler) commit(ctx context.Context, backends []lb.ResolvedBackend, before *worker, what scope) {
	now, info := s.cfg.Now(), s.reader.scanner.Info
	members := s.workers.Load().members
	if what.has(servers) {
		s.throttle.asked, s.throttle.betweenTicks, members = now, false, now
	}
	ofOld := what
	if s.reader.present != before {
		s.reader.replace(ctx, before)
		ofOld = everything // they may end before the next query about servers
	}
	workers := append([]*worker{s.reader.present}, s.reader.readOld(ctx, ofOld)...)
	s.reader.met = true
	s.table.commit(now, backends, what, workers, s.reader.lost)
	s.reader.lost = false
	s.reader.forgetEnded()
	s.workers.Store(&answer{Workers{PID: s.reader.present.pid, Old: len(s.reader.old)}, info, now, members})
}

// layout is the configuration that HAProxy runs; false: it is not known.
func (s *Sampler) layout() (lb.Config, bool) {
	if s.cfg.Layout == nil {
		return lb.Config{}, true
	}
	if config, known := s.cfg.Layout(); known {
		return config, true
	}
	return lb.Config{}, false
}

// A scope is the kinds of objects that a query is about.
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

// fail ends a tick in which HAProxy did not answer.
func (s *Sampler) fail(ctx context.Context, err error) {
	if !s.silent {
		s.silent = true
		s.cfg.Logger.WarnContext(ctx, "reading haproxy statistics failed", "error", err)
	}
	s.workers.Store(&answer{answered: s.workers.Load().answered}) // nothing is known about members
	s.table.markGap(s.cfg.Now())
}

// String describes the workers for logs.
func (w Workers) String() string { return fmt.Sprintf("worker %d and %d old ones", w.PID, w.Old) }
