package haproxy

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
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
	out, err := p.applier.apply(ctx, config, fingerprint)
	if err != nil {
		return Outcome{}, fmt.Errorf("applying configuration: %w", err)
	}
	out.Duration = time.Since(begun)
	return out, nil
}

// An applier puts configurations in effect.
type applier struct {
	cfg      *Config
	logger   *slog.Logger
	changes  changeLock
	files    *configFiles
	checker  *checker
	finder   *finder
	router   *router
	peers    *peersMonitor
	keeper   *pathKeeper
	reloader *reloader
	launcher *launcher
	readback *readback
}

func (a *applier) apply(ctx context.Context, config []byte, fingerprint string) (Outcome, error) {
	if err := a.checker.checkUnlessRecent(ctx, config); err != nil {
		return Outcome{}, err
	}
	if err := a.changes.lock(ctx); err != nil {
		return Outcome{}, err
	}
	defer a.changes.unlock()
	out, err := a.applyLocked(ctx, config, fingerprint)
	if err == nil {
		a.files.setInEffect(digestOf(config))
	}
	return out, err
}

// applyLocked is apply, in its turn and after the check.
func (a *applier) applyLocked(ctx context.Context, config []byte, fingerprint string) (Outcome, error) {
	before, err := a.finder.awaitAnswer(ctx)
	if err != nil {
		return Outcome{}, fmt.Errorf("finding haproxy: %w", err)
	}
	if isForeignSocket(before.whySilent) {
		return Outcome{}, before.whySilent
	}
	if before.isRunning() {
		a.peers.check(ctx, before.master)
		if err := a.keeper.clearForReload(before.master); err != nil {
			return Outcome{}, err
		}
	}
	running, proven := a.runningFile(ctx, before)
	if proven {
		a.files.keepLastGood(ctx, running) // of a HAProxy that was adopted
	}
	if worker, ok := a.isInEffect(ctx, config, fingerprint); ok && before.isRunning() {
		return Outcome{WorkerPID: worker}, nil
	}
	if a.cfg.Mode == Pacemaker && !before.isRunning() && hasContent(a.cfg.ConfigPath, config) {
		return Outcome{Idle: true}, nil
	}
	if running != nil {
		if err := tryBinds(ctx, running, config); err != nil {
			return Outcome{}, err
		}
	}
	if err := a.files.keepOriginal(); err != nil {
		return Outcome{}, fmt.Errorf("keeping the file that was there before: %w", err)
	}
	swap, err := a.files.swap(config)
	if err != nil {
		return Outcome{}, fmt.Errorf("installing configuration: %w", err)
	}
	defer swap.close()
	if a.cfg.Mode == Pacemaker && !before.isRunning() {
		return Outcome{Idle: true}, nil
	}
	ctx = context.WithoutCancel(ctx)
	out := Outcome{Started: !before.isRunning(), Reloaded: before.isRunning()}
	switch {
	case before.isRunning():
		out.WorkerPID, err = a.reloader.reload(ctx, before, config, fingerprint)
	case a.cfg.Mode == Managed:
		if out.WorkerPID, err = a.launcher.start(ctx, config, fingerprint); err == nil {
			out.WorkerPID, err = a.reloader.confirmOrReplace(ctx, out.WorkerPID, a.files.readOutline(), nil, config, fingerprint)
		}
	default:
		if err := a.launcher.awaitStrays(ctx); err != nil {
			return Outcome{}, err
		}
		return Outcome{}, &lb.UnavailableError{What: "HAProxy is not running; the configuration is in place for its start"}
	}
	if err != nil {
		return Outcome{}, a.goBack(ctx, swap, before, err)
	}
	a.files.keepLastGood(ctx, config)
	return out, nil
}

// goBack puts the former file in place and makes sure that what ran before runs.
// It returns why, or more when it did not succeed.
func (a *applier) goBack(ctx context.Context, swap *fileSwap, before observation, why error) error {
	if err := swap.undo(); err != nil {
		return fmt.Errorf("%s; putting the former file back: %w", why.Error(), err)
	}
	now, err := a.finder.awaitAnswer(ctx)
	if err != nil {
		return fmt.Errorf("%s; going back: %w", why.Error(), err)
	}
	switch {
	case a.stillServes(ctx, before):
		return why
	case now.isRunning():
		_, _, err = a.reloader.replaceWorker(ctx, now, a.files.readOutline(), nil, "")
	case a.cfg.Mode == Managed && (before.isRunning() || swap.backup != ""):
		_, err = a.startAgain(ctx)
	}
	if err != nil && before.isRunning() {
		// No *lb.RefusedError: that would say that what ran before runs on.
		return fmt.Errorf("%s; going back: %s", why.Error(), err.Error())
	}
	return why
}

// stillServes reports whether a worker of before still accepts connections.
func (a *applier) stillServes(ctx context.Context, before observation) bool {
	info, err := a.router.showInfo(ctx)
	return err == nil && !info.Stopping && slices.Contains(before.workers(), info.PID)
}

// runningFile is the file on disk when it is known to be what the worker runs:
// either proven, by carrying the fingerprint the worker was started with, or put
// there by Install or Apply. Otherwise it is nil.
func (a *applier) runningFile(ctx context.Context, before observation) (file []byte, proven bool) {
	if !before.isRunning() {
		return nil, false
	}
	file, err := a.files.read(a.cfg.ConfigPath)
	if err != nil {
		return nil, false
	}
	if info, err := a.router.showInfo(ctx); err == nil && hasFingerprint(file, fingerprint(info)) {
		return file, true
	}
	if a.files.lastInEffect() != digestOf(file) {
		return nil, false
	}
	return file, false
}

// hasFingerprint reports whether a configuration has a fingerprint in its description.
func hasFingerprint(config []byte, fingerprint string) bool {
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
