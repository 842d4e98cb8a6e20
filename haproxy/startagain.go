package haproxy

import (
	"context"
	"errors"
	"fmt"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

// startAgain starts HAProxy with the file on disk. If HAProxy refuses it, startAgain
// installs the last good file and starts HAProxy with that.
func (a *applier) startAgain(ctx context.Context) (worker int, err error) {
	worker, _, err = a.startLastGood(ctx)
	return worker, err
}

// startLastGood is startAgain. refused is why HAProxy does not run the file that was on
// disk; nil: it runs that one.
func (a *applier) startLastGood(ctx context.Context) (worker int, refused *lb.RefusedError, err error) {
	if worker, err = a.startInstalled(ctx); err == nil {
		a.readback.compare(ctx, worker)
		return worker, nil, nil
	}
	refused, is := errors.AsType[*lb.RefusedError](err)
	if !is {
		return worker, nil, err
	}
	good, readErr := a.files.read(a.files.lastGood())
	if readErr != nil || a.cfg.disk.hasContent(a.cfg.ConfigPath, good) {
		return 0, nil, err // there is no other file
	}
	swap, installErr := a.files.swap(good)
	if installErr != nil {
		return 0, nil, errors.Join(err, fmt.Errorf("installing the last good configuration: %w", installErr))
	}
	defer swap.close()
	worker, goodErr := a.launcher.start(ctx, nil, "")
	if goodErr != nil {
		return 0, nil, errors.Join(err, swap.undo())
	}
	a.logger.WarnContext(ctx, "haproxy started with the last good configuration", "path", a.cfg.ConfigPath, "reason", err)
	a.readback.compare(ctx, worker)
	return worker, refused, nil
}

// startInstalled starts HAProxy with the file on disk. What is no file counts as refused:
// HAProxy would wait for the other end of a FIFO.
func (a *applier) startInstalled(ctx context.Context) (worker int, err error) {
	if _, err := a.files.installed(); errors.Is(err, safefile.ErrNotRegular) {
		return 0, &lb.RefusedError{At: "start", Output: err.Error()}
	}
	return a.launcher.start(ctx, nil, "")
}
