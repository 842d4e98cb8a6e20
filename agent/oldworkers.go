package agent

import (
	"context"
	"fmt"
	"time"

	"thalassa/activity"
	"thalassa/haproxy"
	"thalassa/internal/wake"
)

const (
	// maxSlowdown is how long one reload waits at most for old workers to end.
	maxSlowdown = 10 * time.Second
	// slowdownLook is the time between two measurements while it waits.
	slowdownLook = 250 * time.Millisecond
	// manyReloads is when an old worker is close to mworker-max-reloads of the default
	// template (1000), at which HAProxy ends it with its connections. With maxSlowdown
	// each, the rest takes 15 minutes. Of another limit it is the same share.
	manyReloads = 900
	ofReloads   = 1000
)

// A slowdown delays reloads while old workers cost too much: each reload may leave one
// more. It belongs to the loop's goroutine.
type slowdown struct {
	cfg     *Config
	slowing bool // the last reload was delayed, which is in the activity log
}

// wait waits until old workers cost less than they may, at most maxSlowdown. It tells
// whether that took time.
func (s *slowdown) wait(ctx context.Context) (waited bool, err error) {
	if s.cfg.OldWorkers == nil {
		return false, nil
	}
	end := time.Now().Add(maxSlowdown)
	for {
		why := s.excess(s.cfg.OldWorkers(ctx))
		if why == "" {
			s.slowing = s.slowing && waited
			return waited, ctx.Err()
		}
		s.note(ctx, why)
		if !time.Now().Before(end) {
			return waited, ctx.Err()
		}
		waited = true
		if err := wake.Pause(ctx, slowdownLook); err != nil {
			return true, err
		}
	}
}

// excess says what old workers have too much of; "": nothing.
func (s *slowdown) excess(old haproxy.OldWorkers) string {
	limit, many := s.cfg.OldWorkerMemory, manyReloads
	if old.MaxReloads > 0 {
		many = max(1, old.MaxReloads*manyReloads/ofReloads)
	}
	switch {
	case limit > 0 && old.Memory > limit:
		return fmt.Sprintf("%d old workers use %d MiB of memory, more than %d MiB", old.Count, old.Memory>>20, limit>>20)
	case old.Reloads >= many:
		return fmt.Sprintf("an old worker has seen %d reloads", old.Reloads)
	}
	return ""
}

// note records that reloads are slowed down, once until one is not.
func (s *slowdown) note(ctx context.Context, why string) {
	if s.slowing {
		return
	}
	s.slowing = true
	s.cfg.Logger.WarnContext(ctx, "reloads slowed down", "reason", why, "delay", maxSlowdown)
	s.cfg.Journal.Note(activity.Event{Verb: activity.ReloadsSlowed, Object: haproxyObject(), Cause: why})
}
