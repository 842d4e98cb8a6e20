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
	// Idle: Pacemaker does not run HAProxy on this node. The configuration has been
	// checked and is installed for its start.
	Idle      bool
	WorkerPID int // of the worker that serves now
	Duration  time.Duration
}

// Apply puts a configuration in effect. It checks it, installs it at ConfigPath, reloads
// HAProxy or (Managed) starts it, and waits until the new worker answers on the stats
// socket. If the configuration has a line "description thalassa FINGERPRINT", the worker
// must show this fingerprint. When HAProxy already runs this configuration, Apply does
// nothing and the Outcome says so. An empty fingerprint always causes a reload.
//
// A *lb.RefusedError says that HAProxy does not accept the configuration, at "check" or "start". At
// "start" the previous file has been restored, and the previous configuration keeps running;
// HAProxy is started again if it has ended. An address on which another program listens is refused
// as "start" before the reload, because HAProxy would refuse connections while it tries.
//
// A *lb.UnavailableError says that an External HAProxy does not run; the file is
// installed for its start. It also says that somebody has killed HAProxy meanwhile; then
// the previous file has been restored. A HAProxy that Pacemaker does not run here is no
// error: the Outcome is Idle. Any other error has changed nothing, or says that restoring
// has failed as well.
//
// A canceled context ends the wait for another change and the check. After the
// installation Apply finishes or restores without it, within two ReloadTimeouts and some
// seconds.
func (p *Process) Apply(ctx context.Context, config []byte, fingerprint string) (Outcome, error) {
	begun := time.Now()
	out, err := p.applier.apply(ctx, config, fingerprint)
	if err != nil {
		return Outcome{}, fmt.Errorf("applying configuration: %w", err)
	}
	out.Duration = time.Since(begun)
	return out, nil
}

// An applier puts configurations in effect, and restores the previous one on failure.
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

// applyLocked is apply after the check. The caller holds the lock.
func (a *applier) applyLocked(ctx context.Context, config []byte, fingerprint string) (Outcome, error) {
	before, err := a.findForChange(ctx)
	if err != nil {
		return Outcome{}, err
	}
	running, proven := a.runningFile(ctx, before)
	if proven {
		a.files.keepLastGood(ctx, running) // of an adopted HAProxy
	}
	if out, done := a.isApplied(ctx, before, config, fingerprint); done {
		return out, nil
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
	ctx = context.WithoutCancel(ctx)
	if !before.isRunning() && a.cfg.Mode != Managed {
		return a.leaveStart(ctx)
	}
	out, err := a.startOrReload(ctx, before, config, fingerprint)
	if err != nil {
		return Outcome{}, a.rollBack(ctx, swap, before, err)
	}
	a.files.keepLastGood(ctx, config)
	return out, nil
}

// findForChange observes HAProxy, and prepares a running one for a reload.
func (a *applier) findForChange(ctx context.Context) (observation, error) {
	before, err := a.finder.awaitAnswer(ctx)
	switch {
	case err != nil:
		return before, fmt.Errorf("finding haproxy: %w", err)
	case isForeignSocket(before.whySilent):
		return before, before.whySilent
	case !before.isRunning():
		return before, nil
	}
	if err := a.cfg.refuseOther(before.master.pid); err != nil {
		return before, err
	}
	a.peers.check(ctx, before.master)
	return before, a.keeper.clearForReload(before.master)
}

// isApplied reports whether the configuration is in effect already, or installed where
// Pacemaker does not run HAProxy.
func (a *applier) isApplied(ctx context.Context, before observation, config []byte, fingerprint string) (Outcome, bool) {
	if before.isRunning() {
		worker, ok := a.isInEffect(ctx, config, fingerprint)
		return Outcome{WorkerPID: worker}, ok
	}
	return Outcome{Idle: true}, a.cfg.Mode == Pacemaker && a.cfg.disk.hasContent(a.cfg.ConfigPath, config)
}

// leaveStart is the result of an installation where another program starts HAProxy.
func (a *applier) leaveStart(ctx context.Context) (Outcome, error) {
	if a.cfg.Mode == Pacemaker {
		return Outcome{Idle: true}, nil
	}
	if err := a.launcher.awaitStrays(ctx); err != nil {
		return Outcome{}, err
	}
	return Outcome{}, &lb.UnavailableError{What: "HAProxy is not running; the configuration is in place for its start"}
}

// startOrReload reloads a running HAProxy, or starts one, with the installed file.
func (a *applier) startOrReload(ctx context.Context, before observation, config []byte, fingerprint string) (Outcome, error) {
	if before.isRunning() {
		worker, err := a.reloader.reload(ctx, before, config, fingerprint)
		return Outcome{Reloaded: true, WorkerPID: worker}, err
	}
	worker, err := a.launcher.start(ctx, config, fingerprint)
	if err == nil {
		worker, err = a.reloader.confirmOrReplace(ctx, worker, a.files.readOutline(), nil, config, fingerprint)
	}
	return Outcome{Started: true, WorkerPID: worker}, err
}

// rollBack restores the previous file and makes sure that the previous configuration runs.
// It returns why, with more if that has failed.
func (a *applier) rollBack(ctx context.Context, swap *fileSwap, before observation, why error) error {
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
		// No *lb.RefusedError: it would say that the previous configuration keeps running.
		return fmt.Errorf("%s; going back: %s", why.Error(), err.Error())
	}
	return why
}

// stillServes reports whether a worker of before still accepts connections.
func (a *applier) stillServes(ctx context.Context, before observation) bool {
	info, err := a.router.showInfo(ctx)
	return err == nil && !info.Stopping && slices.Contains(before.workers(), info.PID)
}

// runningFile is the file on disk if the worker is known to run it; otherwise nil. That is
// proven when both have the same fingerprint. It is assumed when Install or Apply has put
// the file in effect.
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

// description is the value of the description line; "": there is none.
func description(config []byte) string {
	for line := range bytes.Lines(config) {
		word, rest, _ := bytes.Cut(bytes.TrimSpace(line), []byte(" "))
		if string(word) == "description" {
			return strings.Trim(string(rest), ` "'`)
		}
	}
	return ""
}
