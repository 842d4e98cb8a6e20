package haproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"thalassa/lb"
)

// An Outcome is what an Apply did.
type Outcome struct {
	Started  bool // HAProxy was not running before
	Reloaded bool
	// Idle: HAProxy does not run here, nor need it (Pacemaker); the configuration
	// has been checked and is in place for its start.
	Idle      bool
	WorkerPID int // of the worker that serves now
	Duration  time.Duration
}

// Apply makes HAProxy run a configuration: checks it, installs it at ConfigPath,
// reloads or (Managed) starts HAProxy and waits until the new worker answers on
// the stats socket; where the configuration has a line "description thalassa
// FINGERPRINT", also that the worker shows this fingerprint. When HAProxy runs
// this very configuration already, nothing is done and the Outcome says so. An
// empty fingerprint gives HAProxy a new worker in any case.
//
// A *lb.RefusedError says that HAProxy does not take the configuration, by
// "check" or by "start". In the second case the former file was put back, and
// what ran before runs on or, where HAProxy ended over it, was started again; an
// address that another program listens on is refused as "start" before anything
// is tried, because HAProxy would refuse connections while it tries. An
// External HAProxy that does not run gives a *lb.UnavailableError; the file is
// installed then, for whoever starts it. One that somebody kills meanwhile gives
// such an error, too, with the former file put back. One of Pacemaker's that does
// not run here is no error: the Outcome is Idle. Any other error has changed nothing, or
// says that going back has failed as well.
//
// A caller that goes away ends the waiting for a turn and the check. From the
// installation on Apply finishes or goes back without it, within at most two
// ReloadTimeouts and some seconds.
func (p *Process) Apply(ctx context.Context, config []byte, fingerprint string) (Outcome, error) {
	begun := time.Now()
	out, err := p.apply(ctx, config, fingerprint)
	if err != nil {
		return Outcome{}, fmt.Errorf("applying configuration: %w", err)
	}
	out.Duration = time.Since(begun)
	return out, nil
}

func (p *Process) apply(ctx context.Context, config []byte, fingerprint string) (Outcome, error) {
	if err := p.checkUnlessJustDone(ctx, config); err != nil {
		return Outcome{}, err
	}
	if err := p.take(ctx); err != nil {
		return Outcome{}, err
	}
	defer p.release()
	out, err := p.give(ctx, config, fingerprint)
	if err == nil {
		p.noteInEffect(digestOf(config))
	}
	return out, err
}

// give is apply, in its turn and after the check.
func (p *Process) give(ctx context.Context, config []byte, fingerprint string) (Outcome, error) {
	before, err := p.settle(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("finding haproxy: %w", err)
	}
	if foreign(before.silent) {
		return Outcome{}, before.silent
	}
	if before.running() {
		p.notePeers(ctx, before.master)
		if err := p.clearWay(before.master); err != nil {
			return Outcome{}, err
		}
	}
	running, proven := p.runningFile(ctx, before)
	if proven {
		p.keep(ctx, running) // of a HAProxy that was adopted
	}
	if worker, ok := p.runs(ctx, config, fingerprint); ok && before.running() {
		return Outcome{WorkerPID: worker}, nil
	}
	if p.cfg.Mode == Pacemaker && !before.running() && sameFile(p.cfg.ConfigPath, config) {
		return Outcome{Idle: true}, nil
	}
	if running != nil {
		if err := tryBinds(ctx, running, config); err != nil {
			return Outcome{}, err
		}
	}
	if err := p.keepOriginal(); err != nil {
		return Outcome{}, fmt.Errorf("keeping the file that was there before: %w", err)
	}
	x, err := p.install(config)
	if err != nil {
		return Outcome{}, fmt.Errorf("installing configuration: %w", err)
	}
	defer x.close()
	if p.cfg.Mode == Pacemaker && !before.running() {
		return Outcome{Idle: true}, nil
	}
	ctx = context.WithoutCancel(ctx)
	out := Outcome{Started: !before.running(), Reloaded: before.running()}
	switch {
	case before.running():
		out.WorkerPID, err = p.reload(ctx, before, config, fingerprint)
	case p.cfg.Mode == Managed:
		if out.WorkerPID, err = p.start(ctx, config, fingerprint); err == nil {
			out.WorkerPID, err = p.assure(ctx, out.WorkerPID, p.readOutline(), nil, config, fingerprint)
		}
	default:
		if err := p.awaitStrays(ctx); err != nil {
			return Outcome{}, err
		}
		return Outcome{}, &lb.UnavailableError{What: "HAProxy is not running; the configuration is in place for its start"}
	}
	if err != nil {
		return Outcome{}, p.goBack(ctx, x, before, err)
	}
	p.keep(ctx, config)
	return out, nil
}

// goBack puts the former file in place and makes sure that what ran before runs.
// It returns why, or more when it did not succeed.
func (p *Process) goBack(ctx context.Context, x *exchange, before view, why error) error {
	if err := x.undo(); err != nil {
		return fmt.Errorf("%s; putting the former file back: %w", why.Error(), err)
	}
	now, err := p.settle(ctx)
	if err != nil {
		return fmt.Errorf("%s; going back: %w", why.Error(), err)
	}
	switch {
	case p.serves(ctx, before):
		return why
	case now.running():
		_, _, err = p.replaceWorker(ctx, now, p.readOutline(), nil, "")
	case p.cfg.Mode == Managed && (before.running() || x.backup != ""):
		_, err = p.startAgain(ctx)
	}
	if err != nil && before.running() {
		// No *lb.RefusedError: that would say that what ran before runs on.
		return fmt.Errorf("%s; going back: %s", why.Error(), err.Error())
	}
	return why
}

// serves reports whether a worker of before still accepts connections.
func (p *Process) serves(ctx context.Context, before view) bool {
	info, err := p.showInfo(ctx)
	return err == nil && !info.Stopping && slices.Contains(before.workers(), info.PID)
}

// startAgain starts HAProxy with the file on disk or, when it does not start
// with that, with the last good one, which then takes the file's place.
func (p *Process) startAgain(ctx context.Context) (worker int, err error) {
	if worker, err = p.startLastGood(ctx); err == nil {
		p.compare(ctx, worker)
	}
	return worker, err
}

func (p *Process) startLastGood(ctx context.Context) (worker int, err error) {
	worker, err = p.start(ctx, nil, "")
	if err == nil || !errors.As(err, new(*lb.RefusedError)) {
		return worker, err
	}
	good, readErr := p.read(p.lastGood())
	if readErr != nil || sameFile(p.cfg.ConfigPath, good) {
		return 0, err // there is nothing else to try
	}
	x, installErr := p.install(good)
	if installErr != nil {
		return 0, errors.Join(err, fmt.Errorf("installing the last good configuration: %w", installErr))
	}
	defer x.close()
	worker, goodErr := p.start(ctx, nil, "")
	if goodErr != nil {
		return 0, errors.Join(err, x.undo())
	}
	p.logger.WarnContext(ctx, "haproxy started with the last good configuration", "path", p.cfg.ConfigPath, "reason", err)
	return worker, nil
}

func (p *Process) lastGood() string { return p.cfg.ConfigPath + ".last-good" }

// keep notes that a running worker has proven config. That it cannot be kept
// does not undo the success.
func (p *Process) keep(ctx context.Context, config []byte) {
	if sameFile(p.lastGood(), config) {
		return
	}
	if err := replace(p.lastGood(), config); err != nil {
		p.logger.WarnContext(ctx, "last good configuration not kept", "path", p.lastGood(), "error", err)
	}
}

// keepOriginal copies a file that somebody else wrote, as on the first use of
// this package on a machine, to ConfigPath + ".before-thalassa".
func (p *Process) keepOriginal() error {
	original := p.cfg.ConfigPath + ".before-thalassa"
	for _, ours := range []string{p.lastGood(), original} {
		if _, err := os.Stat(ours); err == nil {
			return nil
		}
	}
	content, err := p.read(p.cfg.ConfigPath)
	if errors.Is(err, fs.ErrNotExist) || strings.HasPrefix(description(content), descriptionPrefix) {
		return nil // nobody's, or put there for a start that has not come yet
	}
	if err != nil {
		return err
	}
	return replace(original, content)
}

// runningFile is the file on disk when it is known to be what the worker runs:
// either proven, by carrying the fingerprint the worker was started with, or put
// there by Install or Apply. Otherwise it is nil.
func (p *Process) runningFile(ctx context.Context, before view) (file []byte, proven bool) {
	if !before.running() {
		return nil, false
	}
	file, err := p.read(p.cfg.ConfigPath)
	if err != nil {
		return nil, false
	}
	if info, err := p.showInfo(ctx); err == nil && carries(file, fingerprint(info)) {
		return file, true
	}
	if p.lastInEffect() != digestOf(file) {
		return nil, false
	}
	return file, false
}

// carries reports whether a configuration has a fingerprint in its description.
func carries(config []byte, fingerprint string) bool {
	return fingerprint != "" && description(config) == descriptionPrefix+fingerprint
}

// description is what a configuration says of itself; empty: nothing.
func description(config []byte) string {
	for line := range bytes.Lines(config) {
		word, rest, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if string(word) == "description" {
			return strings.Trim(string(rest), ` "'`)
		}
	}
	return ""
}

// take waits for the turn to change file and process.
func (p *Process) take(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for another change of haproxy: %w", ctx.Err())
	}
}

func (p *Process) release() { <-p.turn }
