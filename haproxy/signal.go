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

// signal sends a signal to a process, through sudo if the process is another user's. It is no error
// if the process has ended. A pidfd holds the process from before it is verified until it is
// signaled, so that its id cannot be used again meanwhile.
func (ps *ownProcesses) signal(ctx context.Context, p ownProcess, sig syscall.Signal) error {
	process, err := os.FindProcess(p.pid)
	if err != nil {
		return fmt.Errorf("sending %s to process %d: %w", sig, p.pid, err)
	}
	defer process.Release() //nolint:errcheck // nothing is lost with it
	if !p.alive() {
		return nil
	}
	if !p.child {
		err := ps.verifyNamed(p.identity)
		switch {
		case err != nil && p.isEnding(ctx):
			return nil // a process that ends loses its command line first
		case err != nil:
			return fmt.Errorf("sending %s: %w", sig, err)
		}
	}
	err = process.Signal(sig)
	if errors.Is(err, syscall.EPERM) && ps.cfg.Sudo {
		err = ps.program.withSudo(ctx, "/bin/kill", "-"+strconv.Itoa(int(sig)), strconv.Itoa(p.pid)).Run()
	}
	if err != nil && p.alive() {
		return fmt.Errorf("sending %s to haproxy (process %d): %w", sig, p.pid, err)
	}
	return nil
}

// endingTime is how long a process may take from losing its command line to its end.
const endingTime = 200 * time.Millisecond

// isEnding reports whether a process ends within a moment.
func (p ownProcess) isEnding(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, endingTime)
	defer cancel()
	return poll(ctx, func() (bool, error) { return !p.alive(), nil }) == nil
}

// end signals processes repeatedly until all have ended or the time is over. SIGUSR1 goes
// to the first, the master, alone, which passes it on.
func (ps *ownProcesses) end(ctx context.Context, processes []ownProcess, sig syscall.Signal, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	to := processes
	if sig == syscall.SIGUSR1 {
		to = processes[:min(1, len(processes))]
	}
	var sent time.Time
	err := poll(ctx, func() (bool, error) {
		if !slices.ContainsFunc(processes, func(p ownProcess) bool { return p.alive() }) {
			return true, nil
		}
		if time.Since(sent) < resignalAfter {
			return false, nil
		}
		sent = time.Now()
		var errs []error
		for _, p := range to {
			errs = append(errs, ps.signal(ctx, p, sig))
		}
		return false, errors.Join(errs...)
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("it has not ended within %s of %s", within, sig)
	}
	return err
}
