package agent

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"thalassa/lb"
)

// maxUnrecorded bounds the texts that wait for the archive; the oldest are dropped.
const maxUnrecorded = 64

// An archiver records the texts of haproxy.cfg that were in effect. The loop adds them,
// and the persister's goroutine writes them.
type archiver struct {
	cfg      *Config
	renderer *renderer

	failing bool // the archive takes nothing now

	mu         sync.Mutex
	unrecorded []*effective // oldest first
}

// add makes the persister record what HAProxy runs now.
func (a *archiver) add(now *effective) {
	if a.cfg.Archive == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unrecorded = append(a.unrecorded, now)
	if over := len(a.unrecorded) - maxUnrecorded; over > 0 {
		a.unrecorded = slices.Delete(a.unrecorded, 0, over)
	}
}

// write records the texts that wait, and logs when that begins and ceases to fail.
func (a *archiver) write(ctx context.Context) error {
	err := a.recordAll(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil && !a.failing:
		a.cfg.Logger.WarnContext(ctx, "haproxy.cfg not recorded", "error", err)
	case err == nil && a.failing:
		a.cfg.Logger.InfoContext(ctx, "haproxy.cfg recorded again")
	}
	a.failing = err != nil
	return err
}

func (a *archiver) recordAll(ctx context.Context) error {
	for {
		next := a.oldest()
		if next == nil {
			return nil
		}
		if err := a.record(ctx, next); err != nil {
			return fmt.Errorf("recording haproxy.cfg: %w", err)
		}
		a.remove(next)
	}
}

func (a *archiver) oldest() *effective {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.unrecorded) == 0 {
		return nil
	}
	return a.unrecorded[0]
}

func (a *archiver) remove(recorded *effective) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unrecorded = slices.DeleteFunc(a.unrecorded, func(e *effective) bool { return e == recorded })
}

// record stores one text, unless the newest in the archive has the same structure and
// revision: an agent that starts finds it again.
func (a *archiver) record(ctx context.Context, e *effective) error {
	rendered, err := a.renderer.of(e.template, e.config)
	if err != nil { // it never will be rendered, and others wait
		a.cfg.Logger.ErrorContext(ctx, "haproxy.cfg cannot be rendered to be recorded", "revision", e.revision, "error", err)
		return nil
	}
	r := lb.Recorded{
		Time: e.origin.time, Revision: e.revision, Cause: e.origin.cause, Author: e.origin.author, Path: e.origin.path,
		Fingerprint: rendered.Fingerprint,
	}
	// Where the newest one is damaged, what comes after it is recorded all the same.
	if newest, err := a.cfg.Archive.Configs(ctx, 0, 1); err == nil && len(newest) > 0 && r.Same(newest[0]) {
		return nil
	}
	_, err = a.cfg.Archive.RecordConfig(ctx, r, rendered.Bytes)
	return err
}
