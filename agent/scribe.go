package agent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thalassa/internal/wake"
)

// writeShare is how much longer than writing the scribe rests: with 10,000
// servers a file takes a tenth of a second to render, and changes may stream.
// What took long was rather waited for than written: a HAProxy that is started or
// reloaded, or a disk. The file is not to stay behind for that, so that there is a
// longest rest.
const (
	writeShare  = 4
	longestRest = 2 * time.Second
)

// compareEvery is the time between two looks at haproxy.cfg when nothing else
// calls for one: somebody may have edited it.
const compareEvery = 30 * time.Second

// wakeScribe has the scribe write soon.
func (a *Agent) wakeScribe() {
	select {
	case a.write <- struct{}{}:
	default: // it is due already, and will find everything
	}
}

// scribe brings the disk to where the loop is, so that no round waits for a
// disk: haproxy.cfg after a change at run time, the JSON copy of the intent, the
// members for a start without Consul, the events. What could not be written is
// tried again, and an edited haproxy.cfg is put right before HAProxy reads it.
func (a *Agent) scribe(ctx context.Context) error {
	a.sweepPersistence(ctx)
	again := time.NewTimer(compareEvery)
	defer again.Stop()
	backoff, compared := firstRetry, time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-a.write:
		case <-again.C:
		}
		begin := time.Now()
		if begin.Sub(compared) >= compareEvery {
			compared = begin
			if !a.cfg.Runtime.Intact() {
				a.installed = 0 // somebody has edited it
			}
		}
		if a.writeDown(ctx) {
			backoff = firstRetry
			again.Reset(compareEvery)
		} else {
			again.Reset(backoff)
			backoff = min(2*backoff, lastRetry)
		}
		_ = wake.Pause(ctx, min(writeShare*time.Since(begin), longestRest)) // the loop sees the end
	}
}

// writeDown writes everything that is due and reports whether all of it is on
// disk now.
func (a *Agent) writeDown(ctx context.Context) bool {
	err := a.writeConfig(ctx)
	if ctx.Err() == nil {
		a.noteFileProblem(ctx, err)
	}
	err = errors.Join(err, a.record(ctx), a.persist(ctx))
	if snap := a.cfg.Source.Snapshot(); a.wasInStep() {
		saved := a.cfg.Memory.SaveSnapshot(ctx, snap)
		if saved != nil && ctx.Err() == nil {
			a.cfg.Logger.WarnContext(ctx, "members not stored for a start without consul", "error", saved)
		}
		err = errors.Join(err, saved)
	}
	// The journal repeats its own failures, and has logged them.
	return a.cfg.Journal.Flush(ctx) == nil && err == nil
}

// writeConfig makes the file on disk what HAProxy runs, so that a restart by
// anybody comes up right. It writes nothing when it is. What was installed is not
// rendered again before a look at the file finds another.
func (a *Agent) writeConfig(ctx context.Context) error {
	now := a.effective.Load()
	if now == nil || now.file == a.installed {
		return nil
	}
	rendered, err := now.template.Render(now.config)
	if err == nil {
		err = a.cfg.Runtime.Install(ctx, rendered.Bytes)
	}
	if err != nil {
		return fmt.Errorf("haproxy.cfg on disk is not what HAProxy runs: %w", err)
	}
	a.installed = now.file
	return nil
}

// noteFileProblem keeps the problem for Status and logs its beginning and end.
func (a *Agent) noteFileProblem(ctx context.Context, err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	a.mu.Lock()
	before := a.fileProblem
	a.fileProblem = problem
	a.mu.Unlock()
	switch {
	case problem != "" && problem != before:
		a.cfg.Logger.ErrorContext(ctx, "file on disk behind", "error", err)
	case problem == "" && before != "":
		a.cfg.Logger.InfoContext(ctx, "file on disk up to date again")
	}
}
