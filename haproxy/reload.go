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

const (
	// resendAfter is how long a reload may leave no trace until it is asked for
	// again: a master that was executing itself anew has not read the command.
	resendAfter = 500 * time.Millisecond
	// deafAfter is how long a new worker that lives may fail to answer on the
	// stats socket.
	deafAfter = 3 * time.Second
)

// A birth is the wait for a new worker.
type birth struct {
	p *Process
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

func (p *Process) newBirth(before view, config []byte, fingerprint string) *birth {
	b := &birth{p: p, old: before.workers(), reloads: -1, config: config, reachable: p.lostSocket() == "" || !before.running()}
	if before.procs != nil {
		b.reloads, b.failed = before.procs.Master.Reloads, before.procs.Failed
	}
	if carries(config, fingerprint) {
		b.expect = fingerprint
	}
	return b
}

// reloadFile is reload with the file on disk as it is: the new worker has what it says.
func (p *Process) reloadFile(ctx context.Context, before view, config []byte, fingerprint string) (worker int, err error) {
	file := p.readOutline()
	worker, kept, err := p.replaceWorker(ctx, before, file, config, fingerprint)
	if err != nil {
		return 0, err
	}
	return p.assure(ctx, worker, file, kept, config, fingerprint)
}

// replaceWorker is reloadFile without a look at what the new worker has. kept are the
// servers that have their weight and state from the worker before. A nil file hands
// over nothing.
func (p *Process) replaceWorker(ctx context.Context, before view, file *installedFile, config []byte, fingerprint string) (worker int, kept map[string]bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ReloadTimeout)
	defer cancel()
	before = p.calm(ctx, before)
	b := p.newBirth(before, config, fingerprint)
	if before.procs == nil {
		for _, worker := range children(before.master.pid) {
			b.old = append(b.old, worker.pid)
		}
		if info, err := p.showInfo(ctx); err == nil {
			b.old = append(b.old, info.PID)
		}
	}
	if file != nil {
		var forget func()
		kept, forget = p.carryState(ctx, file.content, file.outline)
		defer forget()
	}
	p.begin()
	err = b.ask(ctx, before)
	if err == nil {
		asked := time.Now()
		err = poll(ctx, func() (bool, error) {
			done, err := b.look(ctx)
			if !done && err == nil && b.unheard && time.Since(asked) > resendAfter {
				asked, err = time.Now(), b.ask(ctx, before)
			}
			return done, err
		})
	}
	switch {
	case err == nil:
		p.logger.InfoContext(ctx, "haproxy reloaded", "worker_pid", b.worker)
		return b.worker, kept, nil
	case ctx.Err() != nil:
		err = fmt.Errorf("no new worker serves after %s: %w", p.cfg.ReloadTimeout, ctx.Err())
	}
	return 0, nil, fmt.Errorf("reloading haproxy: %w", err)
}

// calm waits until no reload by somebody else is under way, as far as that can be
// seen, and returns how HAProxy stands then. HAProxy 3.2 ends a new worker that takes
// over at the moment of the next reload, and its connections are reset after a second
// in which nobody accepts others.
func (p *Process) calm(ctx context.Context, v view) view {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_ = poll(ctx, func() (bool, error) { // what does not end in that time is not waited for
		if !p.isReloading(ctx, v) {
			return true, nil
		}
		now, err := p.look(ctx)
		if now.procs != nil {
			v = now
		}
		return false, err
	})
	return v
}

// isReloading reports whether another worker answers on the stats socket than the
// master's present one.
func (p *Process) isReloading(ctx context.Context, v view) bool {
	if v.procs == nil || v.procs.Failed > 0 {
		return false
	}
	info, err := p.showInfo(ctx)
	return err == nil && (info.Stopping || !v.procs.Present(info.PID))
}

// ask sends the reload once. Whether it arrived shows later, in look.
func (b *birth) ask(ctx context.Context, before view) error {
	switch {
	case foreign(before.silent): // a new master could not take the path either
		return before.silent
	case before.procs == nil:
		// The socket is lost (somebody cleaned up its directory): the signal does the
		// same and brings the socket back.
		return b.p.signal(ctx, member{identity: before.master}, syscall.SIGUSR2)
	}
	reply, err := b.p.master.Reload(ctx)
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
	v, err := b.p.look(ctx)
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
	if how := b.p.killed(); how != "" {
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
	info, err := b.p.showInfo(ctx)
	if err == nil && info.PID == b.worker && !info.Stopping {
		if why := b.p.lostSocket(); why != "" && b.reachable && !b.p.namesSocket() {
			return false, b.unreachable()
		}
		if b.expect == "" || fingerprint(info) == b.expect {
			return true, nil
		}
		// Somebody else's reload has taken another file, which may be there still: ask
		// again.
		b.old, b.worker, b.reloads = append(b.old, b.worker), 0, v.procs.Master.Reloads
		if !sameFile(b.p.cfg.ConfigPath, b.config) {
			err = replace(b.p.cfg.ConfigPath, b.config)
		}
		return false, err
	}
	if time.Since(b.since) < deafAfter {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, question)
	defer cancel()
	if _, err := b.p.master.Worker(b.worker).ShowInfo(ctx); err != nil {
		return false, nil // still starting, or about to be found dead
	}
	return false, b.unreachable()
}

// unreachable is the refusal of a worker that serves and cannot be told anything.
func (b *birth) unreachable() error {
	return b.refused("", fmt.Sprintf("the new worker (process %d) runs, but does not answer on %[2]s; "+
		`is there a line "stats socket %[2]s level admin" in the global section?`, b.worker, b.p.cfg.StatsSocket))
}

// namesSocket reports whether the file on disk has the stats socket.
func (p *Process) namesSocket() bool {
	config, err := p.read(p.cfg.ConfigPath)
	return err == nil && respelled(config, []string{p.cfg.StatsSocket}, 0) != nil
}

// refused makes the error out of HAProxy's words, which are the answer to the
// reload or what it wrote to the startup log, or else out of what was seen. Among
// alerts the warnings are left out: at a reload most are the old worker's.
func (b *birth) refused(words, seen string) error {
	if words == "" {
		words = b.p.written()
	}
	words, alerted := alerts(masked(words, b.p.cfg.ConfigPath, b.config))
	if !alerted && seen != "" {
		words = seen + "\n" + words
	}
	return &lb.RefusedError{Stage: "start", Output: strings.TrimSpace(words)}
}
