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

// The serving worker is asked on its stats socket. Somebody may remove the socket, or
// put something else in its place. Then the worker is asked through the master until a
// new worker creates the socket again.

const (
	// socketTimeout bounds the answer that shows whether a path leads to our worker.
	socketTimeout = answerTimeout / 2
	// recheckAfter is how long the result for an unchanged path is valid.
	recheckAfter = 5 * time.Second
)

// A route is how the worker that serves is reached.
type route struct {
	socket inode     // at StatsSocket
	at     time.Time // of the check; zero: not checked
	lost   string    // why the stats socket does not lead to the worker; "": it does
	worker int       // asked through the master last; 0: none
	// foreign names the owner of a socket of another user; "": it is not another user's.
	foreign string
}

// An inode identifies the file at a path; zero: no file.
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

// client returns a client of the serving worker. It costs one lstat(2) while the stats
// socket has not changed.
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

// showInfo asks the serving worker for its state. It checks the route again when nobody
// listens there.
func (rt *router) showInfo(ctx context.Context) (statsock.Info, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	info, err := rt.client(ctx).ShowInfo(ctx)
	if statsock.NotListening(err) && rt.forget() {
		return rt.client(ctx).ShowInfo(ctx)
	}
	return info, err
}

// find checks where the stats socket leads. The zero route says that no worker answers
// through the master, so that only the stats socket is left.
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

// noteTimeout stores whether the stats socket has timed out. It returns the time of the
// first timeout since the last answer.
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
// socket. A process that has ended has passed its socket to another one.
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

// isWorker reports whether a process is a worker of our master, also while the master
// does not answer. Without a known master every process counts as one.
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

// presentWorker asks the master for the serving worker; 0: none answers. A worker other
// than former must answer itself.
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

// setRoute stores the route. It logs when the stats socket gets lost and when it leads
// to the worker again.
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

// forget makes the next call of client check the stats socket. It reports whether a
// route was known.
func (rt *router) forget() bool {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	known := !rt.route.at.IsZero()
	rt.route.at = time.Time{}
	return known
}

// lostReason says why the stats socket does not lead to the worker; "": it does, as far
// as is known.
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

// Detour is the worker to ask through the master socket, because the stats socket does
// not lead to it. 0: the stats socket leads to it, or no worker is known.
func (p *Process) Detour(ctx context.Context) (worker int) {
	if p.router.client(ctx) == p.router.stats {
		return 0
	}
	return p.router.lastWorker()
}

// awaitWorker waits for a worker that answers; 0: none answers within masterTimeout.
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
