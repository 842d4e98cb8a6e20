package agent

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"thalassa/internal/wake"
)

// restShare is how many times longer the persister rests than it writes: with 10,000
// servers a file takes a tenth of a second to render, and changes may stream. What took
// long was often waiting: for a HAProxy that starts or reloads, or for a disk. So that
// the file does not fall behind, there is a longest rest.
const (
	restShare   = 4
	longestRest = 2 * time.Second
)

// compareEvery is the time between two looks at haproxy.cfg when nothing else asks for
// one: somebody may have edited it.
const compareEvery = time.Second

// lastWriteRetry is the longest time until a write is tried again that has failed.
const lastWriteRetry = 3 * time.Second

// A persister writes to disk what the loop has done, so that no round waits for a disk:
// haproxy.cfg after a change at run time, the archive of its texts, the JSON copy of the
// intent, the members for a start without Consul, the activity log. What it could not
// write it tries again, and it restores a haproxy.cfg that somebody edited before
// HAProxy reads it.
type persister struct {
	cfg      *Config
	inStep   *latch
	current  *atomic.Pointer[effective] // what HAProxy runs
	renderer *renderer
	due      wake.Poke // there is something to write

	file         *configFile
	certificates *certificateFiles
	archive      *archiver
	copy         *intentCopy
}

// wake makes the persister write soon.
func (p *persister) wake() { p.due.Send() }

// run writes until ctx ends.
func (p *persister) run(ctx context.Context) error {
	p.copy.sweep(ctx)
	again := time.NewTimer(compareEvery)
	defer again.Stop()
	backoff, compared := firstRetry, time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-p.due:
		case <-again.C:
		}
		begin := time.Now()
		if begin.Sub(compared) >= compareEvery {
			compared = begin
			p.file.compare()
		}
		if p.write(ctx) {
			p.certificates.sweep(ctx, p.current.Load())
			backoff = firstRetry
			again.Reset(compareEvery)
		} else {
			again.Reset(backoff)
			backoff = min(2*backoff, lastWriteRetry)
		}
		_ = wake.Pause(ctx, min(restShare*time.Since(begin), longestRest)) // the loop sees the end
	}
}

// write writes everything that is due and reports whether all of it is on disk now.
// Once run has ended, the goroutine that waited for it may call it.
func (p *persister) write(ctx context.Context) bool {
	now := p.current.Load()
	err := errors.Join(p.file.write(ctx), p.archive.write(ctx))
	if err == nil && now != nil {
		p.renderer.release(now.template, now.config)
	}
	err = errors.Join(err, p.copy.write(ctx), p.writeSnapshot(ctx))
	// The journal repeats its own failures, and has logged them.
	return p.cfg.Journal.Flush(ctx) == nil && err == nil
}

// writeSnapshot stores the members for a start without Consul.
func (p *persister) writeSnapshot(ctx context.Context) error {
	if !p.inStep.isSet() {
		return nil
	}
	err := p.cfg.Memory.SaveSnapshot(ctx, p.cfg.Source.Snapshot())
	if err != nil && ctx.Err() == nil {
		p.cfg.Logger.WarnContext(ctx, "members not stored for a start without consul", "error", err)
	}
	return err
}
