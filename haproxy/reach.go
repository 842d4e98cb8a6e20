package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"thalassa/statsock"
)

// The worker that serves is asked on its stats socket. Its path may lead nowhere, or
// to somebody else: it was removed, or something else was put or bound there. Then the
// worker is asked through the master, until a new worker has made the socket anew.

const (
	// trial is how long an answer may take that shows whether a path leads to our worker.
	trial = question / 2
	// retrial is how long what was found out about a path that has not changed holds.
	retrial = 5 * time.Second
)

// A route is how the worker that serves is reached.
type route struct {
	socket inode     // what was found at StatsSocket
	at     time.Time // when
	lost   string    // why that does not lead to the worker; "": it does
	worker int       // that was asked through the master last; 0: none
	// foreign says whose the socket is when it is another user's; "": it is not.
	foreign string
}

// An inode is what stands at a path; the zero value: nothing.
type inode struct {
	device, number uint64
	changed        syscall.Timespec
}

func inodeAt(path string) inode {
	info, err := os.Lstat(path)
	if err != nil {
		return inode{}
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}
	}
	return inode{stat.Dev, stat.Ino, stat.Ctim}
}

// worker returns the way to the worker that serves. It costs a look at the path as
// long as that is what it was.
func (p *Process) worker(ctx context.Context) *statsock.Client {
	if p.lastSeen().pid == 0 {
		return p.stats // there is no other way
	}
	now := inodeAt(p.cfg.StatsSocket)
	p.mu.Lock()
	r := p.route
	p.mu.Unlock()
	known := r.socket == now && !r.at.IsZero()
	switch {
	case known && r.lost == "":
		return p.stats
	case known && time.Since(r.at) < retrial:
		r.worker = p.presentWorker(ctx, r.worker)
	default:
		r = p.findRoute(ctx, now, r.worker)
	}
	if r.at.IsZero() || r.worker == 0 && r.lost != "" {
		return p.stats // nobody knows
	}
	p.noteRoute(r)
	if r.lost == "" {
		return p.stats
	}
	return p.master.Worker(r.worker)
}

// findRoute finds out where the stats socket leads. Without a worker that answers
// through the master nothing is known, and the socket is asked.
func (p *Process) findRoute(ctx context.Context, now inode, former int) route {
	within, cancel := context.WithTimeout(ctx, trial)
	defer cancel()
	info, err := p.stats.ShowInfo(within)
	late := errors.Is(err, context.DeadlineExceeded)
	if err == nil && p.isWorker(ctx, info.PID) {
		p.noteLate(false)
		return route{socket: now, at: time.Now()}
	}
	worker := p.presentWorker(ctx, former)
	if since := p.noteLate(late); worker == 0 || late && time.Since(since) < retrial && !p.isForeign(ctx) {
		return route{}
	}
	r := route{socket: now, at: time.Now(), lost: whyLost(p.cfg.StatsSocket, info.PID, err), worker: worker}
	if foreign(err) {
		r.foreign = err.Error()
	}
	return r
}

// noteLate notes whether the stats socket has given no answer in time, and returns since
// when it does not.
func (p *Process) noteLate(late bool) (since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !late {
		p.late = time.Time{}
	} else if p.late.IsZero() {
		p.late = time.Now()
	}
	return p.late
}

// isForeign reports whether neither our master nor a worker of it listens on the stats
// socket. A process that is gone has handed its socket on.
func (p *Process) isForeign(ctx context.Context) bool {
	pid, err := statsock.Listener(ctx, p.cfg.StatsSocket)
	if err != nil {
		return false
	}
	_, lives := identify(pid)
	master := p.lastSeen()
	return lives && pid != master.pid && !isChild(pid, master.pid)
}

// whyLost says what is wrong with a stats socket.
func whyLost(path string, pid int, err error) string {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "stats socket " + path + " does not exist any more"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens on the stats socket " + path
	case errors.As(err, new(*statsock.ForeignError)):
		return "stats socket " + path + " is somebody else's: " + err.Error()
	case err != nil:
		return "what listens on the stats socket " + path + " does not answer like HAProxy"
	}
	return fmt.Sprintf("another HAProxy (process %d) answers on the stats socket %s", pid, path)
}

// isWorker reports whether a process is a worker of our master, also while that
// cannot be asked. Where no master is known, whoever answers is taken for one.
func (p *Process) isWorker(ctx context.Context, pid int) bool {
	master := p.lastSeen()
	if master.alive() && isChild(pid, master.pid) {
		return true
	}
	v, err := p.look(ctx)
	if err != nil || v.procs == nil {
		return !v.running() || isChild(pid, v.master.pid)
	}
	return slices.Contains(v.workers(), pid)
}

// presentWorker asks the master for the worker that serves; 0: none answers. Only
// another worker than former is asked whether it serves.
func (p *Process) presentWorker(ctx context.Context, former int) int {
	procs, err := p.showProc(ctx)
	if err != nil {
		return 0
	}
	if procs.Present(former) {
		return former
	}
	for _, pid := range procs.PIDs() {
		within, cancel := context.WithTimeout(ctx, trial)
		info, err := p.master.Worker(pid).ShowInfo(within)
		cancel()
		if err == nil && !info.Stopping {
			return pid
		}
	}
	return 0
}

// noteRoute tells of a stats socket that is lost, and of one that leads to the worker
// again, once.
func (p *Process) noteRoute(r route) {
	p.mu.Lock()
	before := p.route
	p.route = r
	p.mu.Unlock()
	switch {
	case r.lost != "" && before.lost == "":
		p.logger.Warn("stats socket lost, asking haproxy through its master", "path", p.cfg.StatsSocket, "reason", r.lost)
	case r.lost == "" && before.lost != "":
		p.logger.Info("stats socket leads to haproxy again", "path", p.cfg.StatsSocket)
	}
}

// forgetRoute has the next question find out where the stats socket leads. It reports
// whether that was known.
func (p *Process) forgetRoute() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := !p.route.at.IsZero()
	p.route.at = time.Time{}
	return known
}

// lostSocket says why the stats socket does not lead to the worker, as far as is
// known; "": it does.
func (p *Process) lostSocket() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.route.lost
}

// Detour is the worker that is to be asked through the master socket, because the stats
// socket does not lead to it; 0: it does, or no worker is known.
func (p *Process) Detour(ctx context.Context) (worker int) {
	if p.worker(ctx) == p.stats {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.route.worker
}
