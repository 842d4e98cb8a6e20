package haproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"thalassa/statsock"
)

// The worker that serves is asked on its stats socket. Its path may lead nowhere, or
// to somebody else: it was removed, or something else was put or bound there. Then the
// worker is asked through the master, until a new worker has made the socket anew.

const (
	// trial is how long an answer may take that shows whether a path leads to our worker.
	socketTimeout = answerTimeout / 2
	// retrial is how long what was found out about a path that has not changed holds.
	recheckAfter = 5 * time.Second
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

// A router chooses how the worker that serves is asked: on its stats socket, or through
// its master.
type router struct {
	cfg    *Config
	logger *slog.Logger
	stats  *statsock.Client
	master *statsock.Master
	finder *finder

	mu    sync.Mutex
	route route     // to the worker that serves
	late  time.Time // since when the stats socket does not answer in time
}

// client returns the way to the worker that serves. It costs a look at the path as
// long as that is what it was.
func (rt *router) client(ctx context.Context) *statsock.Client {
	if rt.finder.last().pid == 0 {
		return rt.stats // there is no other way
	}
	now := inodeAt(rt.cfg.StatsSocket)
	rt.mu.Lock()
	r := rt.route
	rt.mu.Unlock()
	known := r.socket == now && !r.at.IsZero()
	switch {
	case known && r.lost == "":
		return rt.stats
	case known && time.Since(r.at) < recheckAfter:
		r.worker = rt.presentWorker(ctx, r.worker)
	default:
		r = rt.find(ctx, now, r.worker)
	}
	if r.at.IsZero() || r.worker == 0 && r.lost != "" {
		return rt.stats // nobody knows
	}
	rt.setRoute(r)
	if r.lost == "" {
		return rt.stats
	}
	return rt.master.Worker(r.worker)
}

// find finds out where the stats socket leads. Without a worker that answers
// through the master nothing is known, and the socket is asked.
func (rt *router) find(ctx context.Context, now inode, former int) route {
	within, cancel := context.WithTimeout(ctx, socketTimeout)
	defer cancel()
	info, err := rt.stats.ShowInfo(within)
	late := errors.Is(err, context.DeadlineExceeded)
	if err == nil && rt.isWorker(ctx, info.PID) {
		rt.noteTimeout(false)
		return route{socket: now, at: time.Now()}
	}
	worker := rt.presentWorker(ctx, former)
	if since := rt.noteTimeout(late); worker == 0 || late && time.Since(since) < recheckAfter && !rt.isForeign(ctx) {
		return route{}
	}
	r := route{socket: now, at: time.Now(), lost: statsLoss(rt.cfg.StatsSocket, info.PID, err), worker: worker}
	if isForeignSocket(err) {
		r.foreign = err.Error()
	}
	return r
}

// noteTimeout notes whether the stats socket has given no answer in time, and returns since
// when it does not.
func (rt *router) noteTimeout(late bool) (since time.Time) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	if !late {
		rt.late = time.Time{}
	} else if rt.late.IsZero() {
		rt.late = time.Now()
	}
	return rt.late
}

// isForeign reports whether neither our master nor a worker of it listens on the stats
// socket. A process that is gone has handed its socket on.
func (rt *router) isForeign(ctx context.Context) bool {
	pid, err := statsock.Listener(ctx, rt.cfg.StatsSocket)
	if err != nil {
		return false
	}
	_, lives := identify(pid)
	master := rt.finder.last()
	return lives && pid != master.pid && !isChild(pid, master.pid)
}

// statsLoss says what is wrong with a stats socket.
func statsLoss(path string, pid int, err error) string {
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
func (rt *router) isWorker(ctx context.Context, pid int) bool {
	master := rt.finder.last()
	if master.alive() && isChild(pid, master.pid) {
		return true
	}
	seen, err := rt.finder.observe(ctx)
	if err != nil || seen.procs == nil {
		return !seen.isRunning() || isChild(pid, seen.master.pid)
	}
	return slices.Contains(seen.workers(), pid)
}

// presentWorker asks the master for the worker that serves; 0: none answers. Only
// another worker than former is asked whether it serves.
func (rt *router) presentWorker(ctx context.Context, former int) int {
	procs, err := rt.finder.showProc(ctx)
	if err != nil {
		return 0
	}
	if procs.Present(former) {
		return former
	}
	for _, pid := range procs.PIDs() {
		within, cancel := context.WithTimeout(ctx, socketTimeout)
		info, err := rt.master.Worker(pid).ShowInfo(within)
		cancel()
		if err == nil && !info.Stopping {
			return pid
		}
	}
	return 0
}

// setRoute tells of a stats socket that is lost, and of one that leads to the worker
// again, once.
func (rt *router) setRoute(r route) {
	rt.mu.Lock()
	before := rt.route
	rt.route = r
	rt.mu.Unlock()
	switch {
	case r.lost != "" && before.lost == "":
		rt.logger.Warn("stats socket lost, asking haproxy through its master", "path", rt.cfg.StatsSocket, "reason", r.lost)
	case r.lost == "" && before.lost != "":
		rt.logger.Info("stats socket leads to haproxy again", "path", rt.cfg.StatsSocket)
	}
}

// forget has the next question find out where the stats socket leads. It reports
// whether that was known.
func (rt *router) forget() bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	known := !rt.route.at.IsZero()
	rt.route.at = time.Time{}
	return known
}

// lostReason says why the stats socket does not lead to the worker, as far as is
// known; "": it does.
func (rt *router) lostReason() string {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.route.lost
}

// lastWorker is the worker that was asked through the master last; 0: none.
func (rt *router) lastWorker() int {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.route.worker
}

// foreignOwner says whose the stats socket is when it is another user's; "": it is not.
func (rt *router) foreignOwner() string {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.route.foreign
}

// Detour is the worker that is to be asked through the master socket, because the stats
// socket does not lead to it; 0: it does, or no worker is known.
func (p *Process) Detour(ctx context.Context) (worker int) {
	if p.router.client(ctx) == p.router.stats {
		return 0
	}
	return p.router.lastWorker()
}

// awaitWorker waits for a worker that answers; 0: none does.
func (rt *router) awaitWorker(ctx context.Context) (worker int) {
	ctx, cancel := context.WithTimeout(ctx, masterTimeout)
	defer cancel()
	_ = poll(ctx, func() (bool, error) {
		info, err := rt.showInfo(ctx)
		worker = info.PID
		return err == nil && !info.Stopping, nil
	})
	return worker
}
