package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Claim makes this program the only one that looks after the HAProxy at
// ConfigPath, until release is called or the program ends, however it ends. Two
// of them would replace each other's configuration for ever. The error says when
// there is another one. What an interrupted reload has left is put in order. A hidden
// file beside ConfigPath is left behind, and a StateFile that tells nothing.
func (p *Process) Claim(ctx context.Context) (release func(), err error) {
	dir, base := filepath.Split(p.cfg.ConfigPath)
	f, err := os.OpenFile(filepath.Join(dir, "."+base+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claiming haproxy: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		// Of an agent that was killed in a reload:
		p.applier.finishSwap(ctx)
		p.stateFile.empty(ctx)
		return func() { _ = f.Close() }, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("claiming haproxy: another agent looks after %s", p.cfg.ConfigPath)
	}
	return nil, fmt.Errorf("claiming haproxy: locking %s: %w", f.Name(), err)
}

// finishSwap puts the former file back that was kept aside, unless the worker that
// runs has the new one: nobody knows whether any would take that.
func (a *applier) finishSwap(ctx context.Context) {
	swap := fileSwap{path: a.cfg.ConfigPath, backup: asidePath(a.cfg.ConfigPath)}
	if _, err := os.Lstat(swap.backup); err != nil {
		return // there is none, as a rule
	}
	file, err := a.files.read(swap.path)
	if info, infoErr := a.router.showInfo(ctx); err == nil && infoErr == nil && hasFingerprint(file, fingerprint(info)) {
		swap.close()
		return
	}
	if err := swap.undo(); err != nil {
		a.logger.ErrorContext(ctx, "configuration of an interrupted reload not taken back", "path", swap.path, "error", err)
		return
	}
	a.logger.WarnContext(ctx, "configuration of an interrupted reload taken back", "path", swap.path)
}
