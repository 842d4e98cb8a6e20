package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"time"

	"thalassa/statsock"
)

// again is how often a signal is repeated: a master that executes itself anew
// can miss one.
const again = 250 * time.Millisecond

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
	if err := p.take(ctx); err != nil {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	defer p.release()
	v, err := p.settle(ctx)
	ids := p.kin(v.master)
	if err != nil && len(ids) == 0 {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	p.halt(v.master)
	if err := p.quit(ctx, ids); err != nil {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	p.remember(identity{})
	if _, err := p.showInfo(ctx); statsock.NotListening(err) { // else it is somebody else's
		for _, path := range []string{p.cfg.PIDPath, p.cfg.MasterSocket, p.cfg.StatsSocket} {
			_ = os.Remove(path)
		}
	}
	return nil
}

// halt tells Run that a master is about to end as it should.
func (p *Process) halt(master identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped, p.halted = master, true
}

// quit ends a family ever more firmly.
func (p *Process) quit(ctx context.Context, ids []identity) error {
	grace := p.cfg.StopGrace
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)/2)
	}
	err := p.end(ctx, ids, syscall.SIGUSR1, grace)
	if err != nil && ctx.Err() == nil {
		err = p.end(ctx, ids, syscall.SIGTERM, grace/2)
	}
	if err != nil && ctx.Err() == nil {
		err = p.end(ctx, ids, syscall.SIGKILL, max(grace/2, question))
	}
	return err
}

// end signals a family, again and again, until all of it is gone or the time is
// over. The master, the first, passes the gentler signals on.
func (p *Process) end(ctx context.Context, ids []identity, sig syscall.Signal, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	to := ids
	if sig == syscall.SIGUSR1 {
		to = ids[:min(1, len(ids))]
	}
	var sent time.Time
	err := poll(ctx, func() (bool, error) {
		if !slices.ContainsFunc(ids, identity.alive) {
			return true, nil
		}
		if time.Since(sent) < again {
			return false, nil
		}
		sent = time.Now()
		var errs []error
		for _, id := range to {
			errs = append(errs, p.signal(ctx, id, sig))
		}
		return false, errors.Join(errs...)
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("it has not ended within %s of %s", within, sig)
	}
	return err
}
