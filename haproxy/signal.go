package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// signal sends a signal to a member, through sudo where it is another user's. A process
// that has ended is no error. A pidfd holds the process from before it is verified until
// it is signaled, so that its id cannot be used again meanwhile.
func (ms *members) signal(ctx context.Context, m member, sig syscall.Signal) error {
	process, err := os.FindProcess(m.pid)
	if err != nil {
		return fmt.Errorf("sending %s to process %d: %w", sig, m.pid, err)
	}
	defer process.Release() //nolint:errcheck // nothing is lost with it
	if !m.alive() {
		return nil
	}
	if !m.child {
		err := ms.verifyNamed(m.identity)
		switch {
		case err != nil && m.isEnding(ctx):
			return nil // a process that ends loses its command line first
		case err != nil:
			return fmt.Errorf("sending %s: %w", sig, err)
		}
	}
	err = process.Signal(sig)
	if errors.Is(err, syscall.EPERM) && ms.cfg.Sudo {
		err = ms.program.withSudo(ctx, "/bin/kill", "-"+strconv.Itoa(int(sig)), strconv.Itoa(m.pid)).Run()
	}
	if err != nil && m.alive() {
		return fmt.Errorf("sending %s to haproxy (process %d): %w", sig, m.pid, err)
	}
	return nil
}

// endingTime is how long a process may take from losing its command line to its end.
const endingTime = 200 * time.Millisecond

// isEnding reports whether a member ends within a moment.
func (m member) isEnding(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, endingTime)
	defer cancel()
	return poll(ctx, func() (bool, error) { return !m.alive(), nil }) == nil
}

// end signals members repeatedly until all have ended or the time is over. SIGUSR1 goes
// to the first, the master, alone, which passes it on.
func (ms *members) end(ctx context.Context, members []member, sig syscall.Signal, within time.Duration) error {
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
		if time.Since(sent) < resignalAfter {
			return false, nil
		}
		sent = time.Now()
		var errs []error
		for _, m := range to {
			errs = append(errs, ms.signal(ctx, m, sig))
		}
		return false, errors.Join(errs...)
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("it has not ended within %s of %s", within, sig)
	}
	return err
}
