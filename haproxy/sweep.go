package haproxy

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"thalassa/internal/leftover"
)

// staleAfter is the age at which nobody can be about to use a staged file any
// more: checks end by checkTimeout, and everything else is done with one at once.
const staleAfter = 10 * checkTimeout

// sweep removes the staged files of programs that were killed before they could:
// old ones, that this user or the owner of haproxy.cfg has, by the names that
// stage gives. The rest is somebody else's.
func (c *configFiles) sweep(ctx context.Context) {
	path := c.cfg.ConfigPath
	leftover.Kind{
		Dir: filepath.Dir(path), Prefixes: []string{leftover.StagedPrefix(path), leftover.StagedPrefix(StateFile(path)), leftover.StagedPrefix(asidePath(path))},
		After: staleAfter, Owns: c.owns,
	}.Sweep(ctx, c.logger)
}

// owns reports whether a staged file is this user's, or of one of those to whom
// stage and check give what root writes.
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
