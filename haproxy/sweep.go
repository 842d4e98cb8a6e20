package haproxy

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// staleAfter is the age at which nobody can be about to use a staged file any
// more: checks end by checkTimeout, and everything else is done with one at once.
const staleAfter = 10 * checkTimeout

// sweep removes the staged files of programs that were killed before they could:
// old ones, that this user or the owner of haproxy.cfg has, by the names that
// stage gives. The rest is somebody else's.
func (p *Process) sweep(ctx context.Context) {
	dir := filepath.Dir(p.cfg.ConfigPath)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // whoever writes there will say why
	}
	for _, e := range entries {
		if !p.names(e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() || time.Since(info.ModTime()) < staleAfter || !p.owns(info) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if err := os.Remove(path); err != nil {
			p.logger.WarnContext(ctx, "stale staged file not removed", "path", path, "error", err)
			continue
		}
		p.logger.InfoContext(ctx, "stale staged file removed", "path", path)
	}
}

// names reports whether stage names a file so, for any of the files that are
// staged.
func (p *Process) names(name string) bool {
	former := formerOf(p.cfg.ConfigPath)
	for _, path := range []string{p.cfg.ConfigPath, StateFile(p.cfg.ConfigPath), former} {
		number, ok := strings.CutPrefix(name, "."+filepath.Base(path)+".")
		if ok && number != "" && strings.Trim(number, "0123456789") == "" {
			return true
		}
	}
	return false
}

// owns reports whether a staged file is this user's, or of one of those to whom
// stage and check give what root writes.
func (p *Process) owns(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return false
	}
	if int(stat.Uid) == os.Geteuid() {
		return true
	}
	if os.Geteuid() != 0 {
		return false
	}
	if u := p.cfg.User; u != nil && stat.Uid == u.UID {
		return true
	}
	config, err := os.Stat(p.cfg.ConfigPath)
	if err != nil {
		return false
	}
	owner, ok := config.Sys().(*syscall.Stat_t)
	return ok && owner.Uid == stat.Uid
}
