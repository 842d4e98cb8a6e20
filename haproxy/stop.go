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
	members, stranger := p.kin(v.master)
	switch {
	case foreign(err):
		p.logger.WarnContext(ctx, "somebody else's socket is left alone", "error", err)
	case err != nil && len(members) == 0:
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	p.halt(v.master)
	if err := errors.Join(p.quit(ctx, members), stranger); err != nil {
		return fmt.Errorf("stopping haproxy: %w", err)
	}
	p.remember(identity{})
	p.clear(ctx)
	return nil
}

// clear removes what a HAProxy that has ended leaves behind, unless it is somebody
// else's.
func (p *Process) clear(ctx context.Context) {
	defer p.leaveFormer(ctx)
	if _, err := p.showInfo(ctx); !statsock.NotListening(err) {
		return
	}
	_ = os.Remove(p.cfg.PIDPath)
	_ = os.Remove(p.cfg.StatsSocket)
	if _, err := p.showProc(ctx); statsock.NotListening(err) {
		_ = os.Remove(p.cfg.MasterSocket)
	}
}

// halt tells Run that a master is about to end as it should.
func (p *Process) halt(master identity) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped, p.halted = master, true
}

// quit ends members ever more firmly.
func (p *Process) quit(ctx context.Context, members []member) error {
	grace := p.cfg.StopGrace
	if deadline, ok := ctx.Deadline(); ok {
		grace = min(grace, time.Until(deadline)/2)
	}
	err := p.end(ctx, members, syscall.SIGUSR1, grace)
	if err != nil && ctx.Err() == nil {
		err = p.end(ctx, members, syscall.SIGTERM, grace/2)
	}
	if err != nil && ctx.Err() == nil {
		err = p.end(ctx, members, syscall.SIGKILL, max(grace/2, question))
	}
	return err
}

// end signals members, again and again, until all are gone or the time is over. The
// master, the first, passes the gentler signals on.
func (p *Process) end(ctx context.Context, members []member, sig syscall.Signal, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	to := members
	if sig == syscall.SIGUSR1 {
		to = members[:min(1, len(members))]
	}
	var sent time.Time
	err := poll(ctx, func() (bool, error) {
		if !slices.ContainsFunc(members, func(m member) bool { return m.alive() }) {
			return true, nil
		}
		if time.Since(sent) < again {
			return false, nil
		}
		sent = time.Now()
		var errs []error
		for _, m := range to {
			errs = append(errs, p.signal(ctx, m, sig))
		}
		return false, errors.Join(errs...)
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("it has not ended within %s of %s", within, sig)
	}
	return err
}
