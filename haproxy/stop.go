package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"thalassa/statsock"
)

// resignalAfter is the time after which a signal is repeated: a master that re-executes
// itself can miss one.
const resignalAfter = 250 * time.Millisecond

// Stop ends HAProxy; Run does not start it again until Apply does. First it lets the
// connections end (SIGUSR1), for StopGrace or half of the time that the context leaves.
// Then it sends SIGTERM, and at last SIGKILL. It waits until the master and all workers
// have ended, and removes the pid file and the sockets. Every process with our master
// socket in our process-id namespace counts, also a worker without a master and a master
// that hangs. No HAProxy is no error. A HAProxy that is not Managed is one, because
// something else would start it again.
func (p *Process) Stop(ctx context.Context) error {
	if p.cfg.Mode != Managed {
		return errors.New("stopping haproxy: something else manages it")
	}
	if err := p.changes.lock(ctx); err != nil {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	defer p.changes.unlock()
	seen, err := p.finder.awaitAnswer(ctx)
	own, stranger := p.processes.of(seen.master)
	switch {
	case isForeignSocket(err):
		p.logger.WarnContext(ctx, "socket of another user not used", "error", err)
	case err != nil && len(own) == 0:
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	p.stopper.halt(seen.master)
	if err := errors.Join(p.stopper.quit(ctx, own), stranger); err != nil {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	p.finder.setLast(identity{})
	p.stopper.clear(ctx)
	return nil
}

// A stopper ends HAProxy, and stores that it must stay down.
type stopper struct {
	cfg       *Config
	logger    *slog.Logger
	processes *ownProcesses
	finder    *finder
	router    *router
	former    *formerPaths

	mu      sync.Mutex
	stopped identity // the last master that Stop has ended
	halted  bool     // by Stop, until the next start
}

// clear removes the pid file and the sockets of a HAProxy that has ended, unless another
// program uses them.
func (st *stopper) clear(ctx context.Context) {
	defer st.former.leave(ctx)
	if _, err := st.router.showInfo(ctx); !statsock.NotListening(err) {
		return
	}
	_ = os.Remove(st.cfg.PIDPath)
	_ = os.Remove(st.cfg.StatsSocket)
	if _, err := st.finder.showProc(ctx); statsock.NotListening(err) {
		_ = os.Remove(st.cfg.MasterSocket)
	}
}

// halt stores that a master must end and HAProxy stay down.
func (st *stopper) halt(master identity) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.stopped, st.halted = master, true
}

// resume stores that HAProxy has been started again.
func (st *stopper) resume() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.halted = false
}

// quit ends processes with SIGUSR1, SIGTERM and SIGKILL.
func (st *stopper) quit(ctx context.Context, processes []ownProcess) error {
	grace := st.cfg.StopGrace
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)/2)
	}
	err := st.processes.end(ctx, processes, syscall.SIGUSR1, grace)
	if err != nil && ctx.Err() == nil {
		err = st.processes.end(ctx, processes, syscall.SIGTERM, grace/2)
	}
	if err != nil && ctx.Err() == nil {
		err = st.processes.end(ctx, processes, syscall.SIGKILL, max(grace/2, answerTimeout))
	}
	return err
}

// hasStopped reports whether Stop has ended a master.
func (st *stopper) hasStopped(master identity) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.stopped == master
}

// isHalted reports whether HAProxy must stay down.
func (st *stopper) isHalted() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.halted
}
