package agent

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
)

// configFile is haproxy.cfg on disk. The persister's goroutine writes it.
type configFile struct {
	cfg      *Config
	renderer *renderer
	current  *atomic.Pointer[effective] // what HAProxy runs

	installed uint64 // the number of the file on disk; 0: not known

	mu     sync.Mutex
	reason string // why the file is not what HAProxy runs
}

// compare looks whether somebody has edited the file.
func (f *configFile) compare() {
	if !f.cfg.Runtime.Intact() {
		f.installed = 0
	}
}

// write makes the file what HAProxy runs, so that a restart by anybody comes up right. It
// writes nothing when it is so already, as far as the last comparison shows.
func (f *configFile) write(ctx context.Context) error {
	err := f.install(ctx)
	if ctx.Err() == nil {
		f.note(ctx, err)
	}
	return err
}

func (f *configFile) install(ctx context.Context) error {
	now := f.current.Load()
	if now == nil || now.file == f.installed {
		return nil
	}
	rendered, err := f.renderer.of(now.template, now.config)
	if err == nil {
		err = f.cfg.Runtime.Install(ctx, rendered.Bytes)
	}
	if err != nil {
		return fmt.Errorf("haproxy.cfg on disk is not what HAProxy runs: %w", err)
	}
	f.installed = now.file
	return nil
}

// note keeps the problem for Status and logs its beginning and end.
func (f *configFile) note(ctx context.Context, err error) {
	problem := ""
	if err != nil {
		problem = err.Error()
	}
	f.mu.Lock()
	before := f.reason
	f.reason = problem
	f.mu.Unlock()
	switch {
	case problem != "" && problem != before:
		f.cfg.Logger.ErrorContext(ctx, "haproxy.cfg out of date", "error", err)
	case problem == "" && before != "":
		f.cfg.Logger.InfoContext(ctx, "haproxy.cfg up to date again")
	}
}

// problem is why the file is not what HAProxy runs; empty: it is.
func (f *configFile) problem() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reason
}
