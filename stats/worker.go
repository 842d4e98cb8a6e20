package stats

import (
	"context"
	"time"

	"thalassa/statsock"
)

// A lineKey names a line of show stat in one worker.
type lineKey struct {
	kind          statsock.Kind
	proxy, server string
}

// A line is one line of show stat of one worker. It exists as long as the worker,
// with whatever members.
type line struct {
	key lineKey

	// Of the scan with that number, which may be incomplete.
	scan    uint64
	now     *Counters // nil: unchanged
	gauges  Gauges
	address string

	// Of the last count.
	known     bool
	counted   Counters
	countedAt string // the address then
	// carried is what the line had when its former member left it.
	carried formerFigures

	// series has the figures of the line, found for that address and layout; nil: none.
	series   *Series
	foundFor string
	layout   uint64
}

// formerFigures are the figures of a line that do not start at 0 with another member.
type formerFigures struct {
	connections, queue int32
	downtime           time.Duration
}

// A worker is the last reading of one process of HAProxy.
type worker struct {
	pid int
	// adopted says that it was running before the agent started: what it had
	// counted by then is ignored.
	adopted  bool
	lines    map[lineKey]*line
	order    []*line // in HAProxy's order
	scans    uint64  // so far
	complete bool    // the last one was
	ended    bool    // the last scan followed its last connection
	spare    []*Counters

	scanner statsock.Scanner // for when it is an old worker
}

func newWorker(pid int, begun bool) *worker {
	return &worker{pid: pid, adopted: begun, lines: map[lineKey]*line{}}
}

// record records a line of the scan under way.
func (w *worker) record(s *statsock.Stat) {
	if s.Kind == statsock.KindListener {
		return
	}
	key := lineKey{s.Kind, s.Proxy, s.Server}
	l := w.lines[key]
	if l == nil {
		l = &line{key: key}
		w.lines[key] = l
		w.order = append(w.order, l)
	}
	l.scan, l.gauges, l.address = w.scans, gaugesOf(s), s.Address
	w.recordCounters(l, countersOf(s))
}

// recordCounters keeps counters only if they have changed: most do not in
// most ticks.
func (w *worker) recordCounters(l *line, c Counters) {
	if l.now != nil {
		w.spare = append(w.spare, l.now) // of an incomplete scan
		l.now = nil
	}
	if c == l.counted {
		return
	}
	if n := len(w.spare); n > 0 {
		l.now, w.spare = w.spare[n-1], w.spare[:n-1]
	} else {
		l.now = new(Counters)
	}
	*l.now = c
}

// isFresh reports whether the last scan was complete and had the line.
func (w *worker) isFresh(l *line) bool { return w.complete && l.scan == w.scans }

// count adds to d what the line has counted since the last call, unless its member has
// changed.
func (w *worker) count(l *line, d *Counters) {
	switch {
	case l.known && l.address == l.countedAt:
		if l.now != nil {
			d.addSince(l.now, &l.counted)
		}
	case l.known:
		l.carried = formerFigures{l.gauges.MaxConnections, l.gauges.MaxQueue, l.gauges.Downtime}
	case !w.adopted && l.now != nil:
		d.addSince(l.now, &l.counted)
	}
	l.gauges.subtract(&l.carried)
	l.known, l.countedAt = true, l.address
	if l.now != nil {
		l.counted = *l.now
		w.spare = append(w.spare, l.now)
		l.now = nil
	}
}

// scan reads a worker; workerOf is the one that answers, once the scanner
// knows its PID.
func scan(ctx context.Context, scanner *statsock.Scanner, c *statsock.Client, q statsock.StatQuery, workerOf func() *worker) (*worker, error) {
	var w *worker
	err := scanner.Scan(ctx, c, q, func(s *statsock.Stat) error {
		if w == nil {
			w = workerOf()
			w.scans++
			w.complete = false
		}
		w.record(s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if w == nil { // it has no frontends and backends
		w = workerOf()
		w.scans++
	}
	w.complete = true
	return w, nil
}
