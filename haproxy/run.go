package haproxy

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// watchInterval is the time between two checks of a HAProxy that is not our child. A
	// check reads a file in /proc.
	watchInterval = time.Second
	// pacemakerInterval is the same where Pacemaker starts HAProxy, which must be noticed
	// at once.
	pacemakerInterval = 100 * time.Millisecond
	// firstDelay and lastDelay bound the back-off between failed starts, and between
	// starts of a HAProxy that does not live for healthyAfter.
	firstDelay   = time.Second
	lastDelay    = 30 * time.Second
	healthyAfter = time.Minute
)

// An Exit reports that HAProxy has ended without Stop, or runs again.
type Exit struct {
	// Appeared: HAProxy has not ended. Pacemaker has started it, and it serves.
	Appeared bool

	Cause string // how it ended, with HAProxy's first alert where it wrote one
	// Restarted: HAProxy runs again. Otherwise a second Exit follows once it does.
	Restarted bool
	WorkerPID int   // the serving worker; 0: none
	Err       error // why it is not running again
}

// Run watches HAProxy until ctx ends, which is no error; it never stops HAProxy.
// It notices the end of a running HAProxy within about a second. It starts a Managed
// HAProxy again with the file on disk or, if HAProxy refuses that, with the last good
// one; it repeats this with a growing delay. It only reports the end of an External
// HAProxy. It reports the start and the end of Pacemaker's HAProxy without an error. It
// does not start a HAProxy that never ran, or that Stop has ended.
//
// Before, it removes temporary files that killed programs have left beside ConfigPath.
//
// Run calls notify from its goroutine once for each end, and a second time when HAProxy
// runs again later. notify may be nil. Only one Run may be active.
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
		p.beat.Busy("a look at HAProxy", lookTime)
		w.check(ctx)
		p.beat.Idle()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-p.child.died:
		}
	}
}

// A watch is the state of Run.
type watch struct {
	p      *Process
	notify func(Exit)

	seen  identity  // the watched master; zero: none yet
	since time.Time // seen is watched
	down  *Exit     // the reported end of a HAProxy that is down; nil: it runs
	delay time.Duration
	next  time.Time // earliest time of the next start
}

// check checks HAProxy once. While HAProxy lives it reads a few files.
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
		w.p.keeper.keepFolders(w.seen)
		w.p.pidFile.keep(w.seen)
		w.checkSocket(ctx)
		return
	}
	defer w.p.beat.Step("the start of a HAProxy that has ended", 2*w.p.LongestChange())()
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
		w.emit(Exit{Cause: w.cause(w.seen), Err: err})
		w.p.finder.setLast(identity{})
		*w = watch{p: w.p, notify: w.notify}
	default:
		w.restart(context.WithoutCancel(ctx))
	}
}

// checkSocket notices a lost stats socket.
func (w *watch) checkSocket(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_ = w.p.router.client(ctx)
}

// adopt begins to watch a running HAProxy.
func (w *watch) adopt(ctx context.Context) {
	w.p.startupLog.setMarkOnce()
	w.seen, w.since = w.p.finder.last(), time.Now()
	if w.seen.pid != 0 && w.p.cfg.refuseOther(w.seen.pid) == nil {
		return
	}
	w.seen = identity{}
	if seen, err := w.p.finder.observe(ctx); err == nil && w.p.cfg.refuseOther(seen.master.pid) == nil {
		w.seen = seen.master
	}
}

// reportAppeared reports a HAProxy that Pacemaker has started, once it serves.
func (w *watch) reportAppeared(ctx context.Context) {
	if w.p.cfg.Mode != Pacemaker || w.seen.pid == 0 {
		return
	}
	worker := w.p.router.awaitWorker(ctx)
	if worker == 0 {
		w.seen = identity{} // the next check observes it again
		return
	}
	w.emit(Exit{Appeared: true, Cause: "pacemaker", WorkerPID: worker})
}

// checkReplaced reports a master that another program has started, once it serves.
func (w *watch) checkReplaced(ctx context.Context, master identity) {
	cause := w.cause(w.seen)
	worker := w.p.router.awaitWorker(ctx)
	if worker == 0 {
		w.reportDown(cause, errors.New("it was started again, but does not serve yet"))
		return
	}
	w.reportRunning(cause, master, worker)
}

// restart starts HAProxy again, after the back-off.
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

// reportRunning reports that HAProxy runs again.
func (w *watch) reportRunning(cause string, master identity, worker int) {
	if w.down != nil {
		cause = w.down.Cause
	}
	w.seen, w.since, w.down = master, time.Now(), nil
	w.emit(Exit{Cause: cause, Restarted: true, WorkerPID: worker})
}

// reportDown reports once that HAProxy is down.
func (w *watch) reportDown(cause string, err error) {
	if w.down != nil {
		return
	}
	w.down = &Exit{Cause: cause, Err: err}
	w.emit(*w.down)
}

func (w *watch) emit(exit Exit) {
	switch {
	case exit.Appeared:
		w.p.logger.Info("haproxy active on this node", "worker_pid", exit.WorkerPID)
	case w.p.cfg.Mode == Pacemaker && exit.Err == nil && !exit.Restarted:
		w.p.logger.Info("haproxy no longer active on this node", "cause", exit.Cause)
	case exit.Restarted:
		w.p.logger.Warn("haproxy has ended and runs again", "cause", exit.Cause, "worker_pid", exit.WorkerPID)
	default:
		w.p.logger.Error("haproxy has ended", "cause", exit.Cause, "error", exit.Err)
	}
	if w.notify != nil {
		w.notify(exit)
	}
}

// cause says how a master ended, as far as is known.
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
