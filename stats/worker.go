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

// A line is what one worker says in one line. HAProxy keeps it as long as the
// worker lives, whoever is in it.
type line struct {
	key lineKey

	// Of the scan of that number, which may have failed half-way.
	scan    uint64
	now     *Counters // nil: there are as many as before
	gauges  Gauges
	address string

	// Of the last count.
	known     bool
	counted   Counters
	countedAt string // the address then
	// carried is what the line had when somebody else left it.
	carried carryOver

	// series is whose figures these are, found for that address and layout; nil:
	// nobody's.
	series   *Series
	foundFor string
	layout   uint64
}

// carryOver is the figures of a line that do not begin anew with another member.
type carryOver struct {
	connections, queue int32
	downtime           time.Duration
}

// A worker is what is known of one process of HAProxy.
type worker struct {
	pid int
	// adopted says that the agent met it in the midst of its work: what it had
	// counted by then belongs to nobody.
	adopted bool
	lines   map[lineKey]*line
	order   []*line // as HAProxy has them
	scans   uint64  // so far
	good    bool    // the last one was whole
	spare   []*Counters

	scanner statsock.Scanner // reads it while it is ending
}

func newWorker(pid int, begun bool) *worker {
	return &worker{pid: pid, adopted: begun, lines: map[lineKey]*line{}}
}

// take puts a line of the scan under way into its place.
func (w *worker) take(s *statsock.Stat) {
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
	w.takeCounters(l, countersOf(s))
}

// takeCounters keeps those that are not as they were: most lines do not count in
// most ticks.
func (w *worker) takeCounters(l *line, c Counters) {
	if l.now != nil {
		w.spare = append(w.spare, l.now) // of a scan that has failed
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

// isFresh says that the last scan, which was whole, has seen the line.
func (w *worker) isFresh(l *line) bool { return w.good && l.scan == w.scans }

// count adds what the line has counted since the last call to d, for whoever is in
// it now; nothing when somebody else was in it then.
func (w *worker) count(l *line, d *Counters) {
	switch {
	case l.known && l.address == l.countedAt:
		if l.now != nil {
			d.addSince(l.now, &l.counted)
		}
	case l.known:
		l.carried = carryOver{l.gauges.MaxConnections, l.gauges.MaxQueue, l.gauges.Downtime}
	case !w.adopted && l.now != nil:
		d.addSince(l.now, &l.counted)
	}
	l.gauges.leave(&l.carried)
	l.known, l.countedAt = true, l.address
	if l.now != nil {
		l.counted = *l.now
		w.spare = append(w.spare, l.now)
		l.now = nil
	}
}

// scan asks a worker; workerOf finds the one that answers, once the scanner
// knows it.
func scan(ctx context.Context, scanner *statsock.Scanner, c *statsock.Client, q statsock.StatQuery, workerOf func() *worker) (*worker, error) {
	var w *worker
	err := scanner.Scan(ctx, c, q, func(s *statsock.Stat) error {
		if w == nil {
			w = workerOf()
			w.scans++
			w.good = false
		}
		w.take(s)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if w == nil { // nothing to serve
		w = workerOf()
		w.scans++
	}
	w.good = true
	return w, nil
}
