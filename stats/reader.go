package stats

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"thalassa/statsock"
)

const (
	// queryTimeout bounds one query.
	queryTimeout = 5 * time.Second
	// oldTimeout bounds the queries to old workers in a tick: one that hangs must not
	// delay the figures of the present worker.
	oldTimeout = time.Second
	// maxOld bounds how many old workers are read.
	maxOld = 8
)

// A workerReader reads the counters of HAProxy's workers: of the present one through the
// stats socket, of old ones through the master.
type workerReader struct {
	client   *statsock.Client
	master   *statsock.Master                     // see Config.Master
	detour   func(ctx context.Context) (pid int)  // see Config.Detour
	occupied func(pid int) (time.Duration, error) // see Config.Occupied

	scanner statsock.Scanner
	met     bool    // HAProxy has answered at least once
	present *worker // nil: HAProxy has not answered yet
	old     []*worker
	load    load // of the present worker

	holder    holder
	holdAgain time.Time    // earliest time of the next try to hold the present worker
	forgotten map[int]bool // PIDs of living workers that are not read any more
	// lost says that a worker has ended since the last tick before its counters were
	// read for the last time.
	lost bool
}

// read reads the present worker, and gives the time that it took.
func (r *workerReader) read(ctx context.Context, what scope) (took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	begin := time.Now()
	w, err := scan(ctx, &r.scanner, r.socket(ctx), what.query(), r.answering)
	if err != nil {
		return 0, err
	}
	r.present = w
	return time.Since(begin), nil
}

// socket is the way to the present worker.
func (r *workerReader) socket(ctx context.Context) *statsock.Client {
	if r.detour != nil && r.master != nil {
		if pid := r.detour(ctx); pid != 0 {
			return r.master.Worker(pid)
		}
	}
	return r.client
}

// answering is the worker that answers on the stats socket. It becomes the
// present one when its answer is complete.
func (r *workerReader) answering() *worker {
	pid := r.scanner.Info.PID
	if r.present != nil && r.present.pid == pid {
		return r.present
	}
	if i := slices.IndexFunc(r.old, func(w *worker) bool { return w.pid == pid }); i >= 0 {
		return r.old[i] // a reload was rolled back
	}
	return newWorker(pid, !r.met)
}

// replace makes the worker that answered before an old one, and finds the other old
// workers.
func (r *workerReader) replace(ctx context.Context, before *worker) {
	r.old = slices.DeleteFunc(r.old, func(w *worker) bool { return w == r.present })
	if before != nil {
		r.old = append(r.old, before)
	}
	r.findOld(ctx)
}

// findOld asks the master for the old workers. Those that have ended
// are forgotten; what they counted stays in the totals.
func (r *workerReader) findOld(ctx context.Context) {
	if r.master == nil {
		r.old = slices.DeleteFunc(r.old, func(w *worker) bool { return !w.ended && r.holder.of(w.pid) == nil })
		return
	}
	ctx, cancel := context.WithTimeout(ctx, oldTimeout)
	defer cancel()
	procs, err := r.master.ShowProc(ctx)
	if err != nil {
		return // the next tick asks again
	}
	pids := procs.PIDs()
	for _, w := range r.old {
		r.lost = r.lost || !w.ended && !slices.Contains(pids, w.pid)
	}
	r.old = slices.DeleteFunc(r.old, func(w *worker) bool { return !w.ended && !slices.Contains(pids, w.pid) })
	maps.DeleteFunc(r.forgotten, func(pid int, _ bool) bool { return !slices.Contains(pids, pid) })
	for _, pid := range pids {
		if pid != r.present.pid && !r.forgotten[pid] {
			r.workerOf(pid)
		}
	}
	r.forget()
}

// forget forgets old workers that are not held where there are too many.
func (r *workerReader) forget() {
	room := maxOld
	r.old = slices.DeleteFunc(r.old, func(w *worker) bool {
		if w.ended || r.holder.of(w.pid) != nil {
			return false
		}
		if room--; room >= 0 {
			return false
		}
		r.forgotten[w.pid], r.lost = true, true
		return true
	})
}

// forgetEnded forgets the workers whose last counts are in the totals.
func (r *workerReader) forgetEnded() {
	r.old = slices.DeleteFunc(r.old, func(w *worker) bool { return w.ended })
}

// readOld reads the old workers, at most maxOld of them and all at once, and gives those
// that answered in time, and those that were read for the last time.
func (r *workerReader) readOld(ctx context.Context, what scope) []*worker {
	if len(r.old) == 0 {
		return nil
	}
	within, cancel := context.WithTimeout(ctx, oldTimeout)
	defer cancel()
	scanned := make([]*worker, len(r.old))
	asked, failed := 0, false
	var all sync.WaitGroup
	for i, w := range slices.Backward(r.old) { // of too many, the newest count most
		switch {
		case w.ended:
			scanned[i] = w
		case asked < maxOld:
			asked++
			all.Go(func() { scanned[i] = r.readOne(within, w, what) })
		}
	}
	all.Wait()
	for i, w := range scanned {
		failed = failed || w == nil && r.holder.of(r.old[i].pid) == nil
	}
	answered := slices.DeleteFunc(scanned, func(w *worker) bool { return w == nil })
	if failed {
		r.findOld(ctx)
	}
	return answered
}

// readOne reads an old worker; nil: it does not answer.
func (r *workerReader) readOne(ctx context.Context, w *worker, what scope) *worker {
	if held := r.holder.of(w.pid); held != nil {
		if r.scanHeld(ctx, held, w, what) != nil {
			r.holder.release(held) // the session is of no use any more
			return nil
		}
		return w
	}
	if r.master == nil {
		return nil
	}
	read, _ := scan(ctx, &w.scanner, r.master.Worker(w.pid), what.query(), func() *worker { return w })
	return read
}

// idle is the percentage of its time for which the present worker is idle.
func (r *workerReader) idle(now time.Time) int {
	info := r.scanner.Info
	if r.occupied == nil {
		return info.IdlePercent
	}
	occupied, err := r.occupied(info.PID)
	if err != nil { // only HAProxy's own figure is known
		r.load = load{}
		return info.IdlePercent
	}
	before := r.load
	r.load = load{info.PID, now, occupied}
	return r.load.idle(before, info)
}
