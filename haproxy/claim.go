package haproxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"thalassa/internal/safefile"
)

// Claim makes this program the only one that manages the HAProxy at ConfigPath, and the
// one at its sockets, until release is called or the program ends. Two programs would
// replace each other's configuration for ever. It is an error when another one has the
// claim. Claim also cleans up after an interrupted reload. It leaves hidden lock files
// beside ConfigPath and the sockets, and a StateFile without servers. Sockets in a
// directory where this program may not make files are not claimed.
func (p *Process) Claim(ctx context.Context) (release func(), err error) {
	var locks []*os.File
	release = func() {
		for _, f := range locks {
			_ = f.Close() // nothing was written
		}
	}
	for _, path := range []string{p.cfg.ConfigPath, p.cfg.MasterSocket, p.cfg.StatsSocket} {
		f, err := lockBeside(path)
		switch {
		case err == nil:
			locks = append(locks, f)
		case errors.Is(err, syscall.EWOULDBLOCK):
			release()
			return nil, fmt.Errorf("claiming haproxy: another agent looks after %s", p.cfg.describe(path))
		case path != p.cfg.ConfigPath:
			p.logger.DebugContext(ctx, "socket of haproxy not claimed", "path", path, "error", err)
		default:
			return nil, fmt.Errorf("claiming haproxy: %w", err)
		}
	}
	// Left by an agent that was killed during a reload:
	p.applier.finishSwap(ctx)
	p.stateFile.empty(ctx)
	return release, nil
}

// describe is a claimed path for an error.
func (c *Config) describe(path string) string {
	if path == c.ConfigPath {
		return path
	}
	return path + ", with another haproxy.cfg; each agent needs sockets of its own"
}

// lockBeside locks the hidden lock file beside path, until the file is closed. The error
// is syscall.EWOULDBLOCK when another program has the lock.
func lockBeside(path string) (*os.File, error) {
	dir, base := filepath.Split(path)
	f, err := safefile.OpenFile(filepath.Join(dir, "."+base+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("locking %s: %w", f.Name(), err), f.Close())
	}
	return f, nil
}

// finishSwap restores the previous file of an interrupted reload, unless the worker runs
// the new one: whether HAProxy takes that is unknown.
func (a *applier) finishSwap(ctx context.Context) {
	swap := fileSwap{disk: a.cfg.disk, path: a.cfg.ConfigPath, backup: asidePath(a.cfg.ConfigPath)}
	if is, _ := a.cfg.disk.exists(swap.backup); !is {
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
