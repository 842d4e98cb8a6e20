package haproxy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// patrolInterval is the time between two looks at a HAProxy that is not our
	// child; one look reads a file in /proc.
	watchInterval = time.Second
	// arrival is the same where Pacemaker starts HAProxy, which is to be noticed
	// at once.
	pacemakerInterval = 100 * time.Millisecond
	// firstDelay and lastDelay bound the back-off between starts that fail, or
	// of a HAProxy that does not live for healthyAfter.
	firstDelay   = time.Second
	lastDelay    = 30 * time.Second
	healthyAfter = time.Minute
)

// An Exit is an end of HAProxy that nobody here asked for.
type Exit struct {
	// Appeared: nothing has ended, but Pacemaker has started HAProxy, and it
	// serves.
	Appeared bool

	Time  time.Time // when it was noticed
	Cause string    // how it ended, with HAProxy's first alert where it wrote one
	// Restarted says that HAProxy runs again; otherwise a second Exit follows
	// once it does.
	Restarted bool
	WorkerPID int   // that serves now; 0 when none does
	Err       error // why it could not be started again, or yet
}

// Run watches HAProxy until ctx ends, which is no error; it never stops HAProxy.
// It notices within about a second when a HAProxy that it has seen running is
// gone. A Managed one it starts again with the file on disk or, if that does not
// start, with the last good one, and tries on with a growing delay; an External
// one it only reports, and one of Pacemaker's without an error, and also when it
// appears. A HAProxy that never ran it does not start, nor one that
// Stop has ended.
//
// At first it removes what programs that were killed have staged beside
// ConfigPath.
//
// notify is called from Run's goroutine, once for each end, and a second time
// when HAProxy did not run again at once and does now. It may be nil. Only one
// Run may be under way.
func (p *Process) Run(ctx context.Context, notify func(Exit)) error {
	interval := watchInterval
	if p.cfg.Mode == Pacemaker {
		interval = pacemakerInterval
	}
	p.files.sweep(ctx)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	w := watch{p: p, notify: notify}
	for {
		w.check(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-p.child.died:
		}
	}
}

// A watch is what Run knows from one patrol to the next.
type watch struct {
	p      *Process
	notify func(Exit)

	seen  identity  // the master that is watched; zero: none yet
	since time.Time // it is watched
	down  *Exit     // reported and not running again yet
	delay time.Duration
	next  time.Time // no start before
}

// check looks after HAProxy once. While it lives that costs a few files.
func (w *watch) check(ctx context.Context) {
	w.p.startupLog.trim()
	if w.seen.pid == 0 {
		w.adopt(ctx)
		w.reportAppeared(ctx)
	}
	if w.seen.pid == 0 {
		return
	}
	if w.down == nil && w.seen.alive() {
		w.p.keeper.keep(w.seen)
		w.checkSocket(ctx)
		return
	}
	if w.p.changes.lock(ctx) != nil {
		return
	}
	defer w.p.changes.unlock()
	seen, err := w.p.finder.awaitAnswer(ctx)
	switch {
	case ctx.Err() != nil:
	case w.down == nil && w.p.stopper.hasStopped(w.seen):
		*w = watch{p: w.p, notify: w.notify}
	case err == nil && seen.isRunning():
		w.checkReplaced(ctx, seen.master)
	case w.p.stopper.isHalted():
		*w = watch{p: w.p, notify: w.notify}
	case w.p.cfg.Mode == External:
		w.reportDown(w.cause(w.seen), err)
	case w.p.cfg.Mode == Pacemaker:
		w.emit(Exit{Time: time.Now(), Cause: w.cause(w.seen), Err: err})
		w.p.finder.setLast(identity{})
		*w = watch{p: w.p, notify: w.notify}
	default:
		w.restart(context.WithoutCancel(ctx))
	}
}

// checkSocket notices a stats socket that is lost.
func (w *watch) checkSocket(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_ = w.p.router.client(ctx)
}

// adopt begins to watch what runs, if anything does.
func (w *watch) adopt(ctx context.Context) {
	w.p.startupLog.setMarkOnce()
	w.seen, w.since = w.p.finder.last(), time.Now()
	if w.seen.pid != 0 {
		return
	}
	if seen, err := w.p.finder.observe(ctx); err == nil {
		w.seen = seen.master
	}
}

// reportAppeared tells of a HAProxy that Pacemaker has started, once it serves.
func (w *watch) reportAppeared(ctx context.Context) {
	if w.p.cfg.Mode != Pacemaker || w.seen.pid == 0 {
		return
	}
	worker := w.p.router.awaitWorker(ctx)
	if worker == 0 {
		w.seen = identity{} // the next patrol looks again
		return
	}
	w.emit(Exit{Appeared: true, Time: time.Now(), Cause: "pacemaker", WorkerPID: worker})
}

// checkReplaced takes note of a master that somebody else has started.
func (w *watch) checkReplaced(ctx context.Context, master identity) {
	cause := w.cause(w.seen)
	worker := w.p.router.awaitWorker(ctx)
	if worker == 0 {
		w.reportDown(cause, errors.New("it was started again, but does not serve yet"))
		return
	}
	w.reportRunning(cause, master, worker)
}

// restart starts HAProxy again, no sooner than the back-off allows.
func (w *watch) restart(ctx context.Context) {
	now := time.Now()
	if w.down == nil && now.Sub(w.since) > healthyAfter {
		w.delay, w.next = 0, time.Time{}
	}
	cause := w.cause(w.seen)
	if now.Before(w.next) {
		w.reportDown(cause, fmt.Errorf("it will be started again in %s", w.next.Sub(now).Round(time.Second)))
		return
	}
	worker, err := w.p.applier.startAgain(ctx)
	w.delay = min(max(firstDelay, 2*w.delay), lastDelay)
	w.next = time.Now().Add(w.delay)
	if err != nil {
		w.reportDown(cause, err)
		return
	}
	w.reportRunning(cause, w.p.finder.last(), worker)
}

// reportRunning tells that HAProxy runs again, and watches on.
func (w *watch) reportRunning(cause string, master identity, worker int) {
	if w.down != nil {
		cause = w.down.Cause
	}
	w.seen, w.since, w.down = master, time.Now(), nil
	w.emit(Exit{Time: time.Now(), Cause: cause, Restarted: true, WorkerPID: worker})
}

// reportDown tells that HAProxy is down, once.
func (w *watch) reportDown(cause string, err error) {
	if w.down != nil {
		return
	}
	w.down = &Exit{Time: time.Now(), Cause: cause, Err: err}
	w.emit(*w.down)
}

func (w *watch) emit(exit Exit) {
	switch {
	case exit.Appeared:
		w.p.logger.Info("haproxy runs here now", "worker_pid", exit.WorkerPID)
	case w.p.cfg.Mode == Pacemaker && exit.Err == nil && !exit.Restarted:
		w.p.logger.Info("haproxy runs here no more", "cause", exit.Cause)
	case exit.Restarted:
		w.p.logger.Warn("haproxy has ended and runs again", "cause", exit.Cause, "worker_pid", exit.WorkerPID)
	default:
		w.p.logger.Error("haproxy has ended", "cause", exit.Cause, "error", exit.Err)
	}
	if w.notify != nil {
		w.notify(exit)
	}
}

// cause tells how a master ended, as well as can be known.
func (w *watch) cause(id identity) string {
	c := w.p.child.last()
	cause := fmt.Sprintf("process %d is gone", id.pid)
	if c != nil && c.pid == id.pid {
		<-c.ended
		cause = c.exitText()
	}
	if output := firstAlert(w.p.files.mask(w.p.startupLog.sinceMark())); output != "" {
		cause += ": " + output
	}
	return cause
}
