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
	// masterPID is the master of the reload; 0: none ran before.
	masterPID int
	// old are the workers before the reload.
	old []int
	// reloads and failed are the master's counts before the reload; reloads is -1 when it
	// did not answer.
	reloads, failed int
	// expect is the fingerprint of config, which the new worker must show; "": any.
	expect string
	config []byte

	// reachable: the stats socket led to the previous worker, or there was no worker.
	reachable bool

	worker    int       // new, as the master says; 0: none yet
	since     time.Time // worker was seen first
	isUnheard bool      // the master answers, and has not counted a reload
}

// A workerWaiter starts waits for new workers.
type workerWaiter struct {
	cfg        *Config
	master     *statsock.Master
	files      *configFiles
	startupLog *startupLog
	processes  *ownProcesses
	finder     *finder
	router     *router
	child      *lastChild
	ends       *unclearEnds
}

// newWait begins a wait for a worker that is not among those of before.
func (ww *workerWaiter) newWait(before observation, config []byte, fingerprint string) *workerWait {
	w := &workerWait{workerWaiter: ww, masterPID: before.master.pid, old: before.workers(), reloads: -1, config: config, reachable: ww.router.lostReason() == "" || !before.isRunning()}
	if before.procs != nil {
		w.reloads, w.failed = before.procs.Master.Reloads, before.procs.Failed
	}
	if hasFingerprint(config, fingerprint) {
		w.expect = fingerprint
	}
	return w
}

// ask requests the reload once. Whether the master has read it shows later, in isDone.
func (w *workerWait) ask(ctx context.Context, before observation) error {
	switch {
	case isForeignSocket(before.whySilent): // nor could a new master use the path
		return before.whySilent
	case before.procs == nil:
		// The socket is lost. The signal has the same effect and creates the socket again.
		return w.processes.signal(ctx, ownProcess{identity: before.master}, syscall.SIGUSR2)
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

// isDone reports whether a new worker serves. The end of the master is a refusal.
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

// isDoneBy is isDone for a living master. One more failed reload is a refusal, and so is a
// new worker that has ended.
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

// newest is a worker that is not among the old ones; 0: none yet.
func (w *workerWait) newest(workers []statsock.Process) int {
	for _, worker := range workers {
		if !slices.Contains(w.old, worker.PID) {
			return worker.PID
		}
	}
	return 0
}

// serves reports whether the new worker answers on the stats socket, with the expected
// configuration.
func (w *workerWait) serves(ctx context.Context, seen observation) (bool, error) {
	info, err := w.router.showInfo(ctx)
	if err == nil && info.PID == w.worker && !info.Stopping {
		if why := w.router.lostReason(); why != "" && w.reachable && !w.files.namesSocket() {
			return false, w.unreachable()
		}
		if w.expect == "" || fingerprint(info) == w.expect {
			w.ends.forget()
			return true, nil
		}
		// Another program has reloaded HAProxy with another file: request it again.
		w.old, w.worker, w.reloads = append(w.old, w.worker), 0, seen.procs.Master.Reloads
		if !w.cfg.disk.hasContent(w.cfg.ConfigPath, w.config) {
			err = w.cfg.disk.replace(w.cfg.ConfigPath, w.config)
		}
		return false, err
	}
	if time.Since(w.since) < unreachableAfter {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if _, err := w.master.Worker(w.worker).ShowInfo(ctx); err != nil {
		return false, nil // it starts, or has ended
	}
	return false, w.unreachable()
}

// unreachable is the refusal of a worker that serves without the stats socket.
func (w *workerWait) unreachable() error {
	return w.refused("", fmt.Sprintf("the new worker (process %d) runs, but does not answer on %[2]s; "+
		`is there a line "stats socket %[2]s level admin" in the global section?`, w.worker, w.cfg.StatsSocket))
}

// refused returns the error for HAProxy's output: the answer to the reload or the startup
// log. It is a refusal unless somebody has killed a worker. Without an alert in it, it begins with the observed cause. With alerts, warnings
// are left out: during a reload most are the old worker's.
func (w *workerWait) refused(output, seen string) error {
	if output == "" {
		output = w.startupLog.sinceMark()
	}
	if err := w.notRefused(output); err != nil {
		return err
	}
	output, alerted := onlyAlerts(maskText(output, w.cfg.ConfigPath, w.config))
	if !alerted && seen != "" {
		output = seen + "\n" + output
	}
	return &lb.RefusedError{At: "start", Output: strings.TrimSpace(output)}
}
