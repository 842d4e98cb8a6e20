package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"thalassa/internal/logqueue"
)

// Config says where a Log is kept.
type Config struct {
	// Path is the file of the log; older ones are beside it. Required, absolute.
	Path string
	// MaxBytes bounds all files together (64 MiB), and MaxAge how long records are kept (90 days);
	// both by an eighth at most. Records are removed by age only after an hour of this run, so that
	// none is lost if the clock jumps ahead for a while.
	MaxBytes int64
	MaxAge   time.Duration
	// Also gets each line in a separate Write; nil: no copy.
	Also io.Writer

	Now    func() time.Time // time.Now
	Logger *slog.Logger     // default: discards
}

// A Log is an audit log. Make it with Open. All methods may be called concurrently; those
// of a nil *Log keep nothing.
type Log struct {
	file   *file
	queues []*logqueue.Queue // of the file, and of Config.Also
	now    func() time.Time

	mu      sync.Mutex
	last    uint64
	refused map[string]*allowance // by caller; empty: those that are not known
}

// Open opens a log, and continues its numbers. It fails if the file cannot be written.
func Open(cfg Config) (*Log, error) {
	if err := check(cfg.Path); err != nil {
		return nil, err
	}
	if cfg.MaxBytes <= 0 {
		cfg.MaxBytes = 64 << 20
	}
	if cfg.MaxAge <= 0 {
		cfg.MaxAge = 90 * 24 * time.Hour
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	f := &file{path: cfg.Path, maxBytes: cfg.MaxBytes / parts, maxAge: cfg.MaxAge, now: cfg.Now}
	if err := f.open(); err != nil {
		return nil, err
	}
	f.expire()
	l := &Log{file: f, now: cfg.Now, last: f.last(), refused: map[string]*allowance{}}
	l.queues = append(l.queues, logqueue.NewPatient(f, retryEvery))
	if cfg.Also != nil {
		l.queues = append(l.queues, logqueue.New(cfg.Also))
	}
	for _, q := range l.queues {
		q.OnLoss(func(lines uint64) { cfg.Logger.Warn("audit records dropped", "records", lines) })
	}
	return l, nil
}

// Add adds a record; Seq and Time are set. It never waits. Too many refusals of the same caller, or
// of all unknown callers, in a short time are only counted, so that nobody can push the records of
// others out of the log with them.
func (l *Log) Add(r Record) {
	if l == nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock() // held while the line is queued, so that lines are in order
	r = r.bounded()
	r.Time = l.now().UTC()
	if name, refused := r.source(); refused {
		a := l.allowance(name)
		if !a.take(r.Time) {
			return
		}
		r.Suppressed = a.told()
	}
	l.last++
	r.Seq = l.last
	line, err := json.Marshal(r)
	if err != nil {
		return // never: all fields can be encoded
	}
	for _, q := range l.queues {
		_, _ = q.Write(append(line, '\n')) // never fails
	}
}

// retryEvery is the time between two attempts to write records to a file that cannot be
// written. Meanwhile they are kept, as far as the queue has room.
const retryEvery = time.Second

// flushTime bounds how long a reader waits for records that are being written.
const flushTime = 2 * time.Second

// Records answers a query, newest first.
func (l *Log) Records(ctx context.Context, q Query) ([]Record, error) {
	if l == nil {
		return []Record{}, nil
	}
	l.queues[0].Flush(flushTime)
	return l.file.read(q), ctx.Err()
}

// Dropped is how many records were dropped, because the file or its reader was too slow.
func (l *Log) Dropped() (n uint64) {
	if l == nil {
		return 0
	}
	for _, q := range l.queues {
		n += q.Dropped()
	}
	return n
}

// Problem is a sentence that says that the log is not written now; empty: it is. It names
// no file.
func (l *Log) Problem() string {
	if l == nil {
		return ""
	}
	for _, q := range l.queues {
		if q.Problem() != "" {
			return fmt.Sprintf("the audit log is not written: %d records wait, %d were dropped", q.Waiting(), q.Dropped())
		}
	}
	return ""
}

// Close waits until all is written, but not longer than most. Nothing may be added after
// that.
func (l *Log) Close(most time.Duration) error {
	if l == nil {
		return nil
	}
	for _, q := range l.queues[1:] {
		q.End(most)
	}
	if q := l.queues[0]; !q.End(most) { // the file is in use
		return fmt.Errorf("%d records were not written: %s", q.Waiting(), q.Problem())
	}
	return l.file.close()
}

// maxCallers bounds whose refusals are counted.
const maxCallers = 4096

// allowance is that of a caller; mu is held.
func (l *Log) allowance(name string) *allowance {
	if a, ok := l.refused[name]; ok {
		return a
	}
	if len(l.refused) >= maxCallers {
		clear(l.refused)
	}
	a := &allowance{}
	l.refused[name] = a
	return a
}

// An allowance bounds refusals: burst at once, and then one each interval. The zero value
// is full.
type allowance struct {
	spent      time.Time // until when it pays for what was taken
	suppressed uint64
}

const (
	refusedBurst    = 60
	refusedInterval = 10 * time.Second
)

func (a *allowance) take(now time.Time) bool {
	if a.spent.Before(now) {
		a.spent = now
	}
	if a.spent.Sub(now) > (refusedBurst-1)*refusedInterval {
		a.suppressed++
		return false
	}
	a.spent = a.spent.Add(refusedInterval)
	return true
}

// told is how many were suppressed since the last call.
func (a *allowance) told() uint64 {
	n := a.suppressed
	a.suppressed = 0
	return n
}
