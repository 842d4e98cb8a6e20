package stats

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/statsock"
)

// What a sample costs HAProxy: about lineTime per server, in its event loop, a
// buffer at a time. HAProxy is asked about its servers as often as that stays
// within the share of its time that is right for how busy it is; a busy one is
// asked about frontends and backends alone in between.
const (
	lineTime  = 7 * time.Microsecond // HAProxy 2.6: 63 ms for 10,000
	busyShare = 50                   // at most 1/50 of the time of a HAProxy
	idleShare = 4                    // that idles less than
	idleFrom  = 60                   // percent of its time, else a quarter
)

const (
	// patience bounds one question.
	patience = 5 * time.Second
	// secondTry is how long after a question that failed it is asked again: one
	// may fail while HAProxy changes workers.
	secondTry = 100 * time.Millisecond
	// maxOld bounds how many old workers are asked.
	maxOld = 8
)

// Config is what a Sampler needs. Client is required.
type Config struct {
	Client *statsock.Client
	// Master reaches workers that are ending; nil: what they go on counting is
	// lost.
	Master *statsock.Master
	// Layout is the configuration that HAProxy runs; ok is false while that is
	// not known. nil: Thalassa made none of the backends.
	Layout func() (c lb.Config, ok bool)
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

	// Of Run alone.
	scanner statsock.Scanner
	met     bool // HAProxy has answered
	present *worker
	old     []*worker
	servers time.Time // when HAProxy was asked about servers
	lines   int       // in its answer then
	silent  bool      // it did not answer last time

	// Of the reader of Changes alone.
	changed, totals collection
}

// An answer is who answered last, and when.
type answer struct {
	Workers
	info     statsock.Info
	answered time.Time
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
	s.workers.Store(&answer{})
	return s
}

// Interval is the time between two ticks.
func (s *Sampler) Interval() time.Duration { return s.cfg.Interval }

// Run samples until ctx ends, which is no error.
func (s *Sampler) Run(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Interval)
	defer tick.Stop()
	for {
		s.sample(ctx)
		s.ticked.Broadcast()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// sample is one tick.
func (s *Sampler) sample(ctx context.Context) {
	config, known := lb.Config{}, s.cfg.Layout == nil
	if !known {
		if config, known = s.cfg.Layout(); !known {
			config = lb.Config{}
		}
	}
	full := known && s.isDue(time.Now())
	before := s.present
	err := s.ask(ctx, full)
	if err != nil && ctx.Err() == nil {
		_ = wake.Pause(ctx, secondTry) // whose end shows below
		err = s.ask(ctx, full)
	}
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		s.fail(ctx, err)
		return
	}
	now, info := time.Now(), s.scanner.Info
	if s.silent {
		s.silent = false
		s.cfg.Logger.InfoContext(ctx, "haproxy tells its statistics again", "worker", s.present.pid)
	}
	if s.present != before {
		s.replace(ctx, before)
	}
	workers := []*worker{s.present}
	if full {
		s.servers = now
		workers = append(workers, s.askOld(ctx)...)
	}
	s.met = true
	s.table.commit(now, config.Backends, full, workers)
	s.workers.Store(&answer{Workers{PID: s.present.pid, Old: len(s.old)}, info, now})
}

// isDue says whether HAProxy is to be asked about its servers.
func (s *Sampler) isDue(now time.Time) bool {
	share := busyShare
	if s.scanner.Info.IdlePercent >= idleFrom {
		share = idleShare
	}
	due := time.Duration(s.lines*share) * lineTime
	// A tick that is only just too early is in time.
	return s.servers.IsZero() || now.Sub(s.servers) >= due-s.cfg.Interval/10
}

// ask reads the present worker.
func (s *Sampler) ask(ctx context.Context, full bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w, err := scan(ctx, &s.scanner, s.cfg.Client, query(full), s.answering)
	if err != nil {
		return err
	}
	s.present = w
	if full {
		s.lines = len(w.order)
	}
	return nil
}

func query(full bool) statsock.StatQuery {
	q := statsock.StatQuery{Kinds: []statsock.Kind{statsock.KindFrontend, statsock.KindBackend}, InUse: true}
	if full {
		q.Kinds = append(q.Kinds, statsock.KindServer)
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
	ctx, cancel := context.WithTimeout(ctx, patience)
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

// askOld reads the workers that are ending, and gives those that answered.
func (s *Sampler) askOld(ctx context.Context) []*worker {
	if len(s.old) == 0 {
		return nil
	}
	var scanner statsock.Scanner
	answered := make([]*worker, 0, len(s.old))
	for _, w := range s.old {
		within, cancel := context.WithTimeout(ctx, patience)
		_, err := scan(within, &scanner, s.cfg.Master.Worker(w.pid), query(true), func() *worker { return w })
		cancel()
		if err == nil {
			answered = append(answered, w)
		}
	}
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
	s.workers.Store(&answer{answered: s.workers.Load().answered})
	s.table.lose(time.Now())
}

// String describes the workers for logs.
func (w Workers) String() string { return fmt.Sprintf("worker %d and %d old ones", w.PID, w.Old) }
