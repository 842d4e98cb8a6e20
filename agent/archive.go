package agent

import (
	"context"
	"fmt"
	"slices"
	"time"

	"thalassa/lb"
)

// Archive keeps the texts of haproxy.cfg that were in effect.
type Archive interface {
	// RecordConfig stores one under the number after the newest, and returns it.
	RecordConfig(ctx context.Context, r lb.Recorded, text []byte) (uint64, error)
	// Configs lists them without their texts, newest first; before 0 from the
	// newest on.
	Configs(ctx context.Context, before uint64, limit int) ([]lb.Recorded, error)
}

// An origin is how a configuration came into effect.
type origin struct {
	time                time.Time
	author, cause, path string
}

// unrecorded bounds the texts that wait for the archive; the oldest are dropped.
const unrecorded = 64

// originOf is that of the target, which HAProxy is about to run, and whether it
// is a text of its own: what only changes members is none, and keeps the origin
// of the one before.
func (a *Agent) originOf(t target, path string) (o origin, own bool) {
	if a.running.effective != nil && t.revision == a.running.effective.revision && path != pathReload {
		return a.running.origin, false
	}
	o = origin{time: a.cfg.Now(), path: path}
	o.author, o.cause = a.cause(a.running, t)
	return o, true
}

// toRecord has the scribe record what HAProxy runs now.
func (a *Agent) toRecord(now *effective) {
	if a.cfg.Archive == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.unrecorded = append(a.unrecorded, now)
	if over := len(a.unrecorded) - unrecorded; over > 0 {
		a.unrecorded = slices.Delete(a.unrecorded, 0, over)
	}
}

// record stores the texts that wait for it, and logs the beginning and the end of
// not being able to. One of the same structure and revision as the one before is
// left out: an agent that starts finds it again.
func (a *Agent) record(ctx context.Context) error {
	err := a.recordAll(ctx)
	switch {
	case ctx.Err() != nil:
	case err != nil && !a.recordFails:
		a.cfg.Logger.WarnContext(ctx, "haproxy.cfg not recorded", "error", err)
	case err == nil && a.recordFails:
		a.cfg.Logger.InfoContext(ctx, "haproxy.cfg recorded again")
	}
	a.recordFails = err != nil
	return err
}

func (a *Agent) recordAll(ctx context.Context) error {
	for {
		a.mu.Lock()
		var next *effective
		if len(a.unrecorded) > 0 {
			next = a.unrecorded[0]
		}
		a.mu.Unlock()
		if next == nil {
			return nil
		}
		if err := a.recordOne(ctx, next); err != nil {
			return fmt.Errorf("recording haproxy.cfg: %w", err)
		}
		a.mu.Lock()
		a.unrecorded = slices.DeleteFunc(a.unrecorded, func(e *effective) bool { return e == next })
		a.mu.Unlock()
	}
}

func (a *Agent) recordOne(ctx context.Context, e *effective) error {
	rendered, err := e.template.Render(e.config)
	if err != nil { // nor will it ever be, and others wait
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
