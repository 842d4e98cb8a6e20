package haproxy

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"thalassa/internal/leftover"
)

// staleAfter is the age at which no program uses a temporary file any more: a check ends within
// checkTimeout, and everything else is shorter.
const staleAfter = 10 * checkTimeout

// sweep removes old temporary files of programs that were killed. It selects them by their
// names and owners.
func (c *configFiles) sweep(ctx context.Context) {
	path := c.cfg.ConfigPath
	stale := leftover.Kind{
		Dir: filepath.Dir(path), Prefixes: []string{leftover.TempPrefix(path), leftover.TempPrefix(StateFile(path)), leftover.TempPrefix(asidePath(path))},
		After: staleAfter, Owns: c.owns,
	}
	_ = c.cfg.disk.Do(path, func(func() bool) error {
		stale.Sweep(ctx, c.logger)
		return nil
	})
}

// owns reports whether a temporary file belongs to this user. For root also the owner of
// haproxy.cfg and Config.User count.
func (c *configFiles) owns(info fs.FileInfo) bool {
	if leftover.IsMine(info) {
		return true
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return false
	}
	if u := c.cfg.User; u != nil && stat.Uid == u.UID {
		return true
	}
	config, err := os.Stat(c.cfg.ConfigPath)
	if err != nil {
		return false
	}
	owner, ok := config.Sys().(*syscall.Stat_t)
	return ok && owner.Uid == stat.Uid
}
