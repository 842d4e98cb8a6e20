package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// Claim makes this program the only one that manages the HAProxy at ConfigPath, until
// release is called or the program ends. Two programs would replace each other's
// configuration for ever. It is an error when another one has the claim. Claim also
// cleans up after an interrupted reload. It leaves a hidden lock file beside ConfigPath,
// and a StateFile without servers.
func (p *Process) Claim(ctx context.Context) (release func(), err error) {
	dir, base := filepath.Split(p.cfg.ConfigPath)
	f, err := os.OpenFile(filepath.Join(dir, "."+base+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("claiming haproxy: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		// Left by an agent that was killed during a reload:
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

// finishSwap restores the previous file of an interrupted reload, unless the worker runs
// the new one: whether HAProxy takes that is unknown.
func (a *applier) finishSwap(ctx context.Context) {
	swap := fileSwap{path: a.cfg.ConfigPath, backup: asidePath(a.cfg.ConfigPath)}
	if _, err := os.Lstat(swap.backup); err != nil {
		return // no reload was interrupted
	}
	file, err := a.files.read(swap.path)
	if info, infoErr := a.router.showInfo(ctx); err == nil && infoErr == nil && hasFingerprint(file, fingerprint(info)) {
		swap.close()
		return
	}
	if err := swap.undo(); err != nil {
		a.logger.ErrorContext(ctx, "restoring the configuration before an interrupted reload failed", "path", swap.path, "error", err)
		return
	}
	a.logger.WarnContext(ctx, "configuration before an interrupted reload restored", "path", swap.path)
}
