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
	if worker, err = a.startLastGood(ctx); err == nil {
		a.readback.compare(ctx, worker)
	}
	return worker, err
}

func (a *applier) startLastGood(ctx context.Context) (worker int, err error) {
	if _, err = a.files.installed(); errors.Is(err, safefile.ErrNotRegular) {
		err = fmt.Errorf("starting haproxy: %w", err) // it would wait for a FIFO
	} else if worker, err = a.launcher.start(ctx, nil, ""); err == nil || !errors.As(err, new(*lb.RefusedError)) {
		return worker, err
	}
	good, readErr := a.files.read(a.files.lastGood())
	if readErr != nil || hasContent(a.cfg.ConfigPath, good) {
		return 0, err // there is no other file
	}
	swap, installErr := a.files.swap(good)
	if installErr != nil {
		return 0, errors.Join(err, fmt.Errorf("installing the last good configuration: %w", installErr))
	}
	defer swap.close()
	worker, goodErr := a.launcher.start(ctx, nil, "")
	if goodErr != nil {
		return 0, errors.Join(err, swap.undo())
	}
	a.logger.WarnContext(ctx, "haproxy started with the last good configuration", "path", a.cfg.ConfigPath, "reason", err)
	return worker, nil
}
