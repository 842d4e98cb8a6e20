package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"strings"
	"sync"
	"time"

	"thalassa/internal/head"
	"thalassa/lb"
)

// checkTimeout bounds a check. 10,000 servers take 0.1 s; resolving names takes longer.
const checkTimeout = 30 * time.Second

// checkHolds is how long a passed check is valid for the same bytes. Files that they name
// may change.
const checkHolds = 5 * time.Second

// Check runs "haproxy -c" on a configuration. If HAProxy does not accept it, the error is a
// *lb.RefusedError at "check" with HAProxy's output; if the check does not end in time, an
// *lb.UnavailableError. Another error (no binary, no space) says nothing about the configuration. A
// passed check does not prove that HAProxy starts with the configuration.
//
// Check also refuses a configuration that binds one of HAProxy's control sockets. Apply accepts it,
// because a stored configuration stays in effect.
//
// The configuration is copied beside ConfigPath, so that HAProxy finds files that it
// names relative to that folder. The copy is always removed.
func (p *Process) Check(ctx context.Context, config []byte) error {
	err := p.cfg.refuseControlPaths(config)
	if err == nil {
		err = p.checker.check(ctx, config)
	}
	if err != nil {
		return fmt.Errorf("checking configuration: %w", err)
	}
	return nil
}

// A checker asks "haproxy -c" about configurations.
type checker struct {
	cfg     *Config
	logger  *slog.Logger
	program *program
	timeout time.Duration

	mu sync.Mutex
	// checked is the digest of the configuration that passed a check last.
	checked   digest
	checkedAt time.Time
}

// check runs "haproxy -c" and stores that it has passed.
func (k *checker) check(ctx context.Context, config []byte) error {
	if err := k.run(ctx, config); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.checked, k.checkedAt = digestOf(config), time.Now()
	return nil
}

// checkUnlessRecent checks a configuration that has not just passed a check, as a
// candidate has before it is applied.
func (k *checker) checkUnlessRecent(ctx context.Context, config []byte) error {
	k.mu.Lock()
	done := k.checked == digestOf(config) && time.Since(k.checkedAt) < checkHolds
	k.mu.Unlock()
	if done {
		return nil
	}
	if err := k.cfg.refuseControlPaths(config); err != nil {
		k.logger.WarnContext(ctx, "configuration takes a control path away from haproxy", "error", err)
	}
	if err := k.check(ctx, config); err != nil {
		return fmt.Errorf("checking configuration: %w", err)
	}
	return nil
}

func (k *checker) run(ctx context.Context, config []byte) error {
	if err := k.program.confirm(ctx); err != nil {
		return err
	}
	if err := k.cfg.ensureMap(config); err != nil {
		return fmt.Errorf("making the map of challenges: %w", err)
	}
	temp, err := k.cfg.disk.writeTempAs(k.cfg.ConfigPath, config, filePerm, k.cfg.User)
	if err != nil {
		return fmt.Errorf("writing a copy: %w", err)
	}
	defer k.cfg.disk.remove(temp)
	ctx, cancel := context.WithTimeoutCause(ctx, k.timeout, &lb.UnavailableError{What: "haproxy -c has not ended within " + k.timeout.String() +
		": the configuration may name a FIFO, a file system that hangs, or host names that no name server answers for"})
	defer cancel()
	cmd, err := k.program.command(ctx, "-c", "-f", temp)
	if err != nil {
		return err
	}
	out := head.New(maxOutput) // the first errors explain the rest
	cmd.Stdout, cmd.Stderr = out, out
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil, errors.Is(err, exec.ErrWaitDelay): // succeeded, though its output is incomplete
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !errors.As(err, &exit):
		return err
	case exit.ExitCode() == 2:
		return nil // valid, only without a listener ("will not start"); a master does start with it
	}
	text := strings.ReplaceAll(out.String(), temp, k.cfg.ConfigPath)
	if k.cfg.Sudo && firstAlert(text) == "" {
		return fmt.Errorf("%w: %s", err, readable(text)) // sudo's own refusal
	}
	return &lb.RefusedError{
		At: "check", Output: orElse(readable(maskText(text, k.cfg.ConfigPath, config)), "haproxy -c ended with "+exit.String()),
		Config: config, Path: k.cfg.ConfigPath,
	}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
