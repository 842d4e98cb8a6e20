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

// A birth is the wait for a new worker.
type birth struct {
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

	worker  int       // seen at the master; 0: not yet
	since   time.Time // when it was seen
	unheard bool      // the master answers, and knows of no reload
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

func (ww *workerWaiter) newWait(before view, config []byte, fingerprint string) *birth {
	b := &birth{workerWaiter: ww, old: before.workers(), reloads: -1, config: config, reachable: ww.router.lostReason() == "" || !before.running()}
	if before.procs != nil {
		b.reloads, b.failed = before.procs.Master.Reloads, before.procs.Failed
	}
	if carries(config, fingerprint) {
		b.expect = fingerprint
	}
	return b
}

// ask sends the reload once. Whether it arrived shows later, in look.
func (b *birth) ask(ctx context.Context, before view) error {
	switch {
	case foreign(before.silent): // a new master could not take the path either
		return before.silent
	case before.procs == nil:
		// The socket is lost (somebody cleaned up its directory): the signal does the
		// same and brings the socket back.
		return b.members.signal(ctx, member{identity: before.master}, syscall.SIGUSR2)
	}
	reply, err := b.master.Reload(ctx)
	switch {
	case err == nil && reply.Conclusive && !reply.Success:
		return b.refused(reply.Log, "the reload has failed")
	case err == nil, statsock.NotListening(err), errors.Is(err, syscall.EAGAIN):
		return nil
	}
	return err
}

// look reports whether a new worker serves. The master's death is a refusal.
func (b *birth) look(ctx context.Context) (bool, error) {
	v, err := b.finder.observe(ctx)
	switch {
	case err != nil:
		return false, err
	case !v.running() && v.silent == nil:
		return false, b.ended()
	}
	return b.judge(ctx, v)
}

// ended is the error for a master that is gone: a refusal, unless it was somebody's
// signal that has ended it.
func (b *birth) ended() error {
	if how := b.child.killed(); how != "" {
		return &lb.UnavailableError{What: "HAProxy was ended while it took the configuration (" + how + "), which says nothing about that"}
	}
	return b.refused("", "haproxy's master has ended")
}

// judge is look for a master that lives. One more failed reload is a refusal,
// as is a worker that came and went.
func (b *birth) judge(ctx context.Context, v view) (bool, error) {
	b.unheard = v.procs != nil && v.procs.Master.Reloads == b.reloads
	switch {
	case v.procs == nil:
		return false, nil
	case v.procs.Failed > b.failed && !b.unheard:
		return false, b.refused("", "the master counts one more failed reload")
	}
	worker := b.newest(v.procs.Workers)
	if worker == 0 {
		if b.worker != 0 && len(v.procs.Workers) == 0 {
			return false, b.refused("", fmt.Sprintf("the new worker (process %d) has ended", b.worker))
		}
		return false, nil
	}
	if worker != b.worker {
		b.worker, b.since = worker, time.Now()
	}
	return b.serves(ctx, v)
}

// newest is the worker that was not there before; 0: none yet.
func (b *birth) newest(workers []statsock.Process) int {
	for _, w := range workers {
		if !slices.Contains(b.old, w.PID) {
			return w.PID
		}
	}
	return 0
}

// serves reports whether it is the new worker, with the expected configuration,
// that answers on the stats socket.
func (b *birth) serves(ctx context.Context, v view) (bool, error) {
	info, err := b.router.showInfo(ctx)
	if err == nil && info.PID == b.worker && !info.Stopping {
		if why := b.router.lostReason(); why != "" && b.reachable && !b.files.namesSocket() {
			return false, b.unreachable()
		}
		if b.expect == "" || fingerprint(info) == b.expect {
			return true, nil
		}
		// Somebody else's reload has taken another file, which may be there still: ask
		// again.
		b.old, b.worker, b.reloads = append(b.old, b.worker), 0, v.procs.Master.Reloads
		if !sameFile(b.cfg.ConfigPath, b.config) {
			err = replace(b.cfg.ConfigPath, b.config)
		}
		return false, err
	}
	if time.Since(b.since) < deafAfter {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	if _, err := b.master.Worker(b.worker).ShowInfo(ctx); err != nil {
		return false, nil // still starting, or about to be found dead
	}
	return false, b.unreachable()
}

// unreachable is the refusal of a worker that serves and cannot be told anything.
func (b *birth) unreachable() error {
	return b.refused("", fmt.Sprintf("the new worker (process %d) runs, but does not answer on %[2]s; "+
		`is there a line "stats socket %[2]s level admin" in the global section?`, b.worker, b.cfg.StatsSocket))
}

// refused makes the error out of HAProxy's words, which are the answer to the
// reload or what it wrote to the startup log, or else out of what was seen. Among
// alerts the warnings are left out: at a reload most are the old worker's.
func (b *birth) refused(words, seen string) error {
	if words == "" {
		words = b.startupLog.sinceMark()
	}
	words, alerted := alerts(masked(words, b.cfg.ConfigPath, b.config))
	if !alerted && seen != "" {
		words = seen + "\n" + words
	}
	return &lb.RefusedError{Stage: "start", Output: strings.TrimSpace(words)}
}
