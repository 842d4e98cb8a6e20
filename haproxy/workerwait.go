package haproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"thalassa/lb"
	"thalassa/statsock"
)

// A workerWait is the wait for a new worker.
type workerWait struct {
	*workerWaiter
	// old are the workers that were there before.
	old []int
	// reloads and failed of the master before; -1 when it could not be asked.
	reloads, failed int
	// expect is the fingerprint that the new worker must show, of config; "": any.
	expect string
	config []byte

	// reachable: the stats socket led to the worker before, or there was none.
	reachable bool

	worker    int       // seen at the master; 0: not yet
	since     time.Time // when it was seen
	isUnheard bool      // the master answers, and knows of no reload
}

// A workerWaiter makes waits for new workers.
type workerWaiter struct {
	cfg        *Config
	master     *statsock.Master
	files      *configFiles
	startupLog *startupLog
	members    *members
	finder     *finder
	router     *router
	child      *lastChild
}

func (ww *workerWaiter) newWait(before observation, config []byte, fingerprint string) *workerWait {
	w := &workerWait{workerWaiter: ww, old: before.workers(), reloads: -1, config: config, reachable: ww.router.lostReason() == "" || !before.isRunning()}
	if before.procs != nil {
		w.reloads, w.failed = before.procs.Master.Reloads, before.procs.Failed
	}
	if hasFingerprint(config, fingerprint) {
		w.expect = fingerprint
	}
	return w
}

// ask sends the reload once. Whether it arrived shows later, in look.
func (w *workerWait) ask(ctx context.Context, before observation) error {
	switch {
	case isForeignSocket(before.whySilent): // a new master could not take the path either
		return before.whySilent
	case before.procs == nil:
		// The socket is lost (somebody cleaned up its directory): the signal does the
		// same and brings the socket back.
		return w.members.signal(ctx, member{identity: before.master}, syscall.SIGUSR2)
	}
	reply, err := w.master.Reload(ctx)
	switch {
	case err == nil && reply.Conclusive && !reply.Success:
		return w.refused(reply.Log, "the reload has failed")
	case err == nil, statsock.NotListening(err), errors.Is(err, syscall.EAGAIN):
		return nil
	}
	return err
}

// isDone reports whether a new worker serves. The master's death is a refusal.
func (w *workerWait) isDone(ctx context.Context) (bool, error) {
	seen, err := w.finder.observe(ctx)
	switch {
	case err != nil:
		return false, err
	case !seen.isRunning() && seen.whySilent == nil:
		return false, w.masterEnded()
	}
	return w.isDoneBy(ctx, seen)
}

// masterEnded is the error for a master that is gone: a refusal, unless it was somebody's
// signal that has ended it.
func (w *workerWait) masterEnded() error {
	if how := w.child.killed(); how != "" {
		return &lb.UnavailableError{What: "HAProxy was ended while it took the configuration (" + how + "), which says nothing about that"}
	}
	return w.refused("", "haproxy's master has ended")
}

// isDoneBy is look for a master that lives. One more failed reload is a refusal,
// as is a worker that came and went.
func (w *workerWait) isDoneBy(ctx context.Context, seen observation) (bool, error) {
	w.isUnheard = seen.procs != nil && seen.procs.Master.Reloads == w.reloads
	switch {
	case seen.procs == nil:
		return false, nil
	case seen.procs.Failed > w.failed && !w.isUnheard:
		return false, w.refused("", "the master counts one more failed reload")
	}
	worker := w.newest(seen.procs.Workers)
	if worker == 0 {
		if w.worker != 0 && len(seen.procs.Workers) == 0 {
			return false, w.refused("", fmt.Sprintf("the new worker (process %d) has ended", w.worker))
		}
		return false, nil
	}
	if worker != w.worker {
		w.worker, w.since = worker, time.Now()
	}
	return w.serves(ctx, seen)
}

// newest is the worker that was not there before; 0: none yet.
func (w *workerWait) newest(workers []statsock.Process) int {
	for _, worker := range workers {
		if !slices.Contains(w.old, worker.PID) {
			return worker.PID
		}
	}
	return 0
}

// serves reports whether it is the new worker, with the expected configuration,
// that answers on the stats socket.
func (w *workerWait) serves(ctx context.Context, seen observation) (bool, error) {
	info, err := w.router.showInfo(ctx)
	if err == nil && info.PID == w.worker && !info.Stopping {
		if why := w.router.lostReason(); why != "" && w.reachable && !w.files.namesSocket() {
			return false, w.unreachable()
		}
		if w.expect == "" || fingerprint(info) == w.expect {
			return true, nil
		}
		// Somebody else's reload has taken another file, which may be there still: ask
		// again.
		w.old, w.worker, w.reloads = append(w.old, w.worker), 0, seen.procs.Master.Reloads
		if !hasContent(w.cfg.ConfigPath, w.config) {
			err = replace(w.cfg.ConfigPath, w.config)
		}
		return false, err
	}
	if time.Since(w.since) < unreachableAfter {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if _, err := w.master.Worker(w.worker).ShowInfo(ctx); err != nil {
		return false, nil // still starting, or about to be found dead
	}
	return false, w.unreachable()
}

// unreachable is the refusal of a worker that serves and cannot be told anything.
func (w *workerWait) unreachable() error {
	return w.refused("", fmt.Sprintf("the new worker (process %d) runs, but does not answer on %[2]s; "+
		`is there a line "stats socket %[2]s level admin" in the global section?`, w.worker, w.cfg.StatsSocket))
}

// refused makes the error out of HAProxy's words, which are the answer to the
// reload or what it wrote to the startup log, or else out of what was seen. Among
// alerts the warnings are left out: at a reload most are the old worker's.
func (w *workerWait) refused(output, seen string) error {
	if output == "" {
		output = w.startupLog.sinceMark()
	}
	output, alerted := onlyAlerts(maskText(output, w.cfg.ConfigPath, w.config))
	if !alerted && seen != "" {
		output = seen + "\n" + output
	}
	return &lb.RefusedError{Stage: "start", Output: strings.TrimSpace(output)}
}
