package haproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"thalassa/lb"
)

// A reloader reloads HAProxy and checks what the new worker has.
type reloader struct {
	cfg        *Config
	logger     *slog.Logger
	program    *program
	files      *configFiles
	startupLog *startupLog
	finder     *finder
	router     *router
	keeper     *pathKeeper
	recovery   *recovery
	stateFile  *stateFile
	readback   *readback
	waiter     *workerWaiter
}

// reload makes the master read the file on disk, and waits until a new worker serves and
// has what the file says. The error is a *lb.RefusedError at "start" when HAProxy
// does not start with the file, or has something else. The caller must find out whether
// the old worker still serves. After another error the outcome is unknown. The reload
// also recovers lost paths where possible.
func (rl *reloader) reload(ctx context.Context, before observation, config []byte, fingerprint string) (worker int, err error) {
	if err := rl.program.confirmMaster(ctx, before.master.pid); err != nil {
		return 0, fmt.Errorf("reloading haproxy: %w", err)
	}
	if err := rl.keeper.clearForReload(before.master); err != nil {
		return 0, fmt.Errorf("reloading haproxy: %w", err)
	}
	_, _ = rl.router.showInfo(ctx) // notices a lost stats socket
	defer rl.recovery.noteReload(ctx, before)()
	file, readErr := rl.files.read(rl.cfg.ConfigPath)
	var anew []byte
	if paths := rl.recovery.lostPaths(ctx, before); readErr == nil && len(paths) > 0 {
		anew = respelled(file, paths, rl.recovery.nextSpelling())
	}
	if anew == nil {
		return rl.reloadFile(ctx, before, config, fingerprint)
	}
	if err := rl.cfg.disk.replace(rl.cfg.ConfigPath, anew); err != nil {
		return 0, fmt.Errorf("reloading haproxy: %w", err)
	}
	if config == nil {
		worker, err = rl.reloadFile(ctx, before, nil, "")
	} else {
		worker, err = rl.reloadFile(ctx, before, anew, fingerprint)
	}
	if rl.cfg.disk.hasContent(rl.cfg.ConfigPath, anew) {
		if err := rl.cfg.disk.replace(rl.cfg.ConfigPath, file); err != nil {
			rl.logger.ErrorContext(ctx, "restoring the usual spelling of sockets failed", "path", rl.cfg.ConfigPath, "error", err)
		}
	}
	if !errors.As(err, new(*lb.RefusedError)) {
		return worker, err
	}
	rl.logger.WarnContext(ctx, "creating lost sockets failed, reloading without them", "error", err)
	if before, err = rl.finder.awaitAnswer(ctx); err != nil || !before.isRunning() {
		return 0, &lb.UnavailableError{What: "HAProxy ended during the reload"}
	}
	return rl.reloadFile(ctx, before, config, fingerprint)
}

const (
	// resendAfter is how long a reload may have no effect until it is requested again: a
	// master that was re-executing itself has not read the command.
	resendAfter = 500 * time.Millisecond
	// unreachableAfter is how long a living new worker may not answer on the stats
	// socket.
	unreachableAfter = 3 * time.Second
)

// reloadFile is reload with the file on disk as it is.
func (rl *reloader) reloadFile(ctx context.Context, before observation, config []byte, fingerprint string) (worker int, err error) {
	file := rl.files.readOutline()
	worker, kept, err := rl.replaceWorker(ctx, before, file, config, fingerprint)
	if err != nil {
		return 0, err
	}
	return rl.confirmOrReplace(ctx, worker, file, kept, config, fingerprint)
}

// replaceWorker is reloadFile without the check of what the new worker has. kept are the
// servers that keep the weight and state of the previous worker. With a nil file no
// state is handed over.
func (rl *reloader) replaceWorker(ctx context.Context, before observation, file *installedFile, config []byte, fingerprint string) (worker int, kept map[string]bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, rl.cfg.ReloadTimeout)
	defer cancel()
	before = rl.awaitOtherReload(ctx, before)
	w := rl.waiter.newWait(before, config, fingerprint)
	if before.procs == nil {
		for _, worker := range children(before.master.pid) {
			w.old = append(w.old, worker.pid)
		}
		if info, err := rl.router.showInfo(ctx); err == nil {
			w.old = append(w.old, info.PID)
		}
	}
	if file != nil {
		var forget func()
		kept, forget = rl.stateFile.fill(ctx, file.content, file.outline)
		defer forget()
	}
	rl.startupLog.setMark()
	if rl.cfg.BeforeReload != nil {
		rl.cfg.BeforeReload(ctx)
	}
	err = w.ask(ctx, before)
	if err == nil {
		asked := time.Now()
		err = poll(ctx, func() (bool, error) {
			done, err := w.isDone(ctx)
			if !done && err == nil && w.isUnheard && time.Since(asked) > resendAfter {
				asked, err = time.Now(), w.ask(ctx, before)
			}
			return done, err
		})
	}
	switch {
	case err == nil:
		rl.logger.InfoContext(ctx, "haproxy reloaded", "worker_pid", w.worker)
		return w.worker, kept, nil
	case ctx.Err() != nil:
		err = fmt.Errorf("no new worker serves after %s: %w", rl.cfg.ReloadTimeout, ctx.Err())
	}
	return 0, nil, fmt.Errorf("reloading haproxy: %w", err)
}

// awaitOtherReload waits until no visible reload by another program is under way. It
// returns the last observation. If a reload follows while a new worker takes over,
// HAProxy 3.2 ends that worker: nobody accepts connections for a second, and its own are
// reset.
func (rl *reloader) awaitOtherReload(ctx context.Context, seen observation) observation {
	ctx, cancel := context.WithTimeout(ctx, masterTimeout)
	defer cancel()
	_ = poll(ctx, func() (bool, error) { // a longer reload is not waited for
		if !rl.isReloading(ctx, seen) {
			return true, nil
		}
		now, err := rl.finder.observe(ctx)
		if now.procs != nil {
			seen = now
		}
		return false, err
	})
	return seen
}

// isReloading reports whether the worker on the stats socket is not the master's present
// one.
func (rl *reloader) isReloading(ctx context.Context, seen observation) bool {
	if seen.procs == nil || seen.procs.Failed > 0 {
		return false
	}
	info, err := rl.router.showInfo(ctx)
	return err == nil && (info.Stopping || !seen.procs.Present(info.PID))
}
