package stats

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/statsock"
)

// A worker ends with its last connection, and its counters end with it. An open session
// on the stats socket keeps it alive. So the sampler holds a session with each worker,
// reads a replaced one after its last connection, and then lets it go.

const (
	// holdInterval is the time between two looks at the held workers, and about how long
	// a replaced worker outlives its last connection.
	holdInterval = 100 * time.Millisecond
	// laterInterval is the same for a worker that has been ending for longer than
	// recentlyReplaced.
	laterInterval    = time.Second
	recentlyReplaced = 10 * time.Second
	// holdTimeout bounds one query in a session. A worker that does not answer is let go, and what it
	// counted last is unknown: on a busy machine, an answer takes half a second at times.
	holdTimeout = 2 * time.Second
	// maxHeld bounds how many workers are held, maxHeldLines the lines of show stat that
	// are kept of them (about 500 bytes each). The oldest are let go.
	maxHeld      = 256
	maxHeldLines = 100_000
)

// A hold is a session that keeps a worker alive.
type hold struct {
	pid     int
	session *statsock.Session

	// Used by the sampler's Run alone.
	replaced time.Time // when the worker was first seen to end; zero: it serves
	next     time.Time // of the next look
}

// A holder has at most one hold of each worker.
type holder struct {
	client *statsock.Client

	mu     sync.Mutex
	holds  map[int]*hold // by PID
	closed bool
}

// hold begins a session with the worker that serves, unless there is one.
func (h *holder) hold(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	session, err := h.client.Begin(ctx)
	if err != nil {
		return err
	}
	info, err := session.ShowInfo(ctx)
	if err != nil {
		session.End()
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || h.holds[info.PID] != nil {
		session.End()
		return nil
	}
	h.holds[info.PID] = &hold{pid: info.PID, session: session}
	return nil
}

// list is all holds, by the age of the process as far as PIDs tell it.
func (h *holder) list() []*hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(maps.Values(h.holds), func(a, b *hold) int { return cmp.Compare(a.pid, b.pid) })
}

// of is the hold of a worker; nil: there is none.
func (h *holder) of(pid int) *hold {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.holds[pid]
}

// release lets a worker go.
func (h *holder) release(held *hold) {
	held.session.End()
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.holds, held.pid)
}

// close lets all workers go; there are no holds afterwards.
func (h *holder) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, held := range h.holds {
		held.session.End()
	}
	h.holds, h.closed = map[int]*hold{}, true
}

// Hold makes sure that the counters of the worker that serves are read before it ends. Call it
// before a reload. Without Hold, the sampler notices a reload within a tenth of a second; a worker
// that was replaced again by then may be missed.
func (s *Sampler) Hold(ctx context.Context) {
	_ = s.reader.holder.hold(ctx) // what is missed is marked as unknown
}

// settle looks at the held workers. Those that have no connection any more are read for
// the last time and let go; the next tick counts what they have said.
func (r *workerReader) settle(ctx context.Context, now time.Time) {
	serving, replaced := false, false
	for _, held := range r.holder.list() {
		if held.next.After(now) {
			continue
		}
		isServing, isNew := r.look(ctx, held, now)
		serving, replaced = serving || isServing, replaced || isNew
	}
	if replaced || !serving && !r.holdAgain.After(now) {
		if err := r.holder.hold(ctx); err != nil {
			r.holdAgain = now.Add(laterInterval)
		}
	}
	r.limitHolds()
}

// look queries a held worker. isNew: it has been replaced since the last look.
func (r *workerReader) look(ctx context.Context, held *hold, now time.Time) (isServing, isNew bool) {
	ctx, cancel := context.WithTimeout(ctx, holdTimeout)
	defer cancel()
	info, err := held.session.ShowInfo(ctx)
	switch {
	case err != nil:
		r.holder.release(held)
		r.workerOf(held.pid) // the next tick finds out whether it has ended
		return false, false
	case !info.Stopping:
		held.replaced = time.Time{}
		return true, false
	case held.replaced.IsZero():
		// Its listeners may be about to close: it may accept one more connection.
		held.replaced, held.next = now, now.Add(holdInterval)
		r.workerOf(held.pid)
		return false, true
	case info.CurrConns == 0:
		r.readLast(ctx, held)
	}
	held.next = now.Add(holdInterval)
	if now.Sub(held.replaced) > recentlyReplaced {
		held.next = now.Add(laterInterval)
	}
	return false, false
}

// readLast reads a worker without connections and lets it go.
func (r *workerReader) readLast(ctx context.Context, held *hold) {
	w := r.workerOf(held.pid)
	if err := r.scanHeld(ctx, held, w, everything); err == nil {
		w.ended = true
	}
	r.holder.release(held)
}

// scanHeld reads a worker through its session.
func (r *workerReader) scanHeld(ctx context.Context, held *hold, w *worker, what scope) error {
	w.scans++
	w.complete = false
	err := w.scanner.ScanSession(ctx, held.session, what.query(), func(s *statsock.Stat) error {
		w.record(s)
		return nil
	})
	w.complete = err == nil
	return err
}

// workerOf is the worker with a PID, which becomes an old one if it is new.
func (r *workerReader) workerOf(pid int) *worker {
	if r.present != nil && r.present.pid == pid {
		return r.present
	}
	if i := slices.IndexFunc(r.old, func(w *worker) bool { return w.pid == pid }); i >= 0 {
		return r.old[i]
	}
	w := newWorker(pid, !r.met)
	r.old = append(r.old, w)
	return w
}

// limitHolds lets the oldest workers go where there are too many, or too many lines.
func (r *workerReader) limitHolds() {
	holds := r.holder.list()
	lines := 0
	for i, held := range slices.Backward(holds) {
		if held.replaced.IsZero() {
			continue
		}
		lines += len(r.workerOf(held.pid).order)
		if len(holds)-i > maxHeld || lines > maxHeldLines {
			r.holder.release(held)
		}
	}
}
