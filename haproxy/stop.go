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

// again is how often a signal is repeated: a master that executes itself anew
// can miss one.
const resignalAfter = 250 * time.Millisecond

// Stop ends HAProxy for good; Run does not start it again until Apply does. It
// first lets the connections end, for StopGrace or half of the time that the
// context leaves, then ends HAProxy at once, at last by force, and waits until
// master and workers are gone. What HAProxy leaves behind (its pid file and
// sockets) is removed. What was started with our master socket, in our
// process-id namespace, is HAProxy also when neither a socket nor a file leads to
// it: a worker that has lost its master, a master that hangs. No HAProxy is no
// error; one that is not Managed is, for it would only be started again.
func (p *Process) Stop(ctx context.Context) error {
	if p.cfg.Mode != Managed {
		return errors.New("stopping haproxy: it is looked after by something else")
	}
	if err := p.changes.lock(ctx); err != nil {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	defer p.changes.unlock()
	seen, err := p.finder.awaitAnswer(ctx)
	members, stranger := p.members.of(seen.master)
	switch {
	case isForeignSocket(err):
		p.logger.WarnContext(ctx, "somebody else's socket is left alone", "error", err)
	case err != nil && len(members) == 0:
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	p.stopper.halt(seen.master)
	if err := errors.Join(p.stopper.quit(ctx, members), stranger); err != nil {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	p.finder.setLast(identity{})
	p.stopper.clear(ctx)
	return nil
}

// A stopper ends HAProxy, and knows that it is to stay ended.
type stopper struct {
	cfg     *Config
	logger  *slog.Logger
	members *members
	finder  *finder
	router  *router
	former  *formerPaths

	mu      sync.Mutex
	stopped identity // the master that Stop has ended last
	halted  bool     // by Stop, until the next start
}

// clear removes what a HAProxy that has ended leaves behind, unless it is somebody
// else's.
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

// halt tells Run that a master is about to end as it should.
func (st *stopper) halt(master identity) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.stopped, st.halted = master, true
}

// resume ends what halt began: HAProxy has been started again.
func (st *stopper) resume() {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.halted = false
}

// quit ends members ever more firmly.
func (st *stopper) quit(ctx context.Context, members []member) error {
	grace := st.cfg.StopGrace
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)/2)
	}
	err := st.members.end(ctx, members, syscall.SIGUSR1, grace)
	if err != nil && ctx.Err() == nil {
		err = st.members.end(ctx, members, syscall.SIGTERM, grace/2)
	}
	if err != nil && ctx.Err() == nil {
		err = st.members.end(ctx, members, syscall.SIGKILL, max(grace/2, answerTimeout))
	}
	return err
}

// hasStopped reports whether it was Stop that ended a master.
func (st *stopper) hasStopped(master identity) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.stopped == master
}

// isHalted reports whether HAProxy shall stay down.
func (st *stopper) isHalted() bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.halted
}
