// Package leftover removes the temporary files and folders of programs that were
// killed before they could. It removes nothing that may be in use, and nothing of
// anybody else's.
package leftover

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// A Kind is what a program leaves in one folder.
type Kind struct {
	Dir string
	// Prefixes are what os.CreateTemp, or os.MkdirTemp, puts its number after.
	Prefixes []string
	// Folders: they are folders, and go with all that is in them.
	Folders bool
	// After is the age at which nobody can be using one any more.
	After time.Duration
	// Owns reports whether one is ours (of the user this program runs as).
	Owns func(fs.FileInfo) bool
}

// StagedPrefix begins the names of files that are written beside path, to take its
// place when they are complete. They are hidden, and do not end as path does.
func StagedPrefix(path string) string { return "." + filepath.Base(path) + "." }

// Sweep removes what is old, and tells the logger of each. What is not there, or
// cannot be removed, is no error.
func (k Kind) Sweep(ctx context.Context, logger *slog.Logger) {
	entries, err := os.ReadDir(k.Dir)
	if err != nil {
		return // whoever writes there will say why
	}
	for _, e := range entries {
		if !k.names(e.Name()) {
			continue
		}
		info, err := e.Info()
		if err != nil || !k.is(info) {
			continue
		}
		path := filepath.Join(k.Dir, e.Name())
		if err := k.remove(path); err != nil {
			logger.WarnContext(ctx, "leftover of a killed program not removed", "path", path, "error", err)
			continue
		}
		logger.InfoContext(ctx, "leftover of a killed program removed", "path", path)
	}
}

// names reports whether a name is one of these.
func (k Kind) names(name string) bool {
	return slices.ContainsFunc(k.Prefixes, func(prefix string) bool {
		number, ok := strings.CutPrefix(name, prefix)
		return ok && number != "" && strings.Trim(number, "0123456789") == ""
	})
}

// is reports whether what has such a name is old, ours and of the right type.
func (k Kind) is(info fs.FileInfo) bool {
	owns := k.Owns
	if owns == nil {
		owns = IsMine
	}
	right := info.Mode().IsRegular()
	if k.Folders {
		right = info.IsDir()
	}
	return right && time.Since(info.ModTime()) >= k.After && owns(info)
}

func (k Kind) remove(path string) error {
	if k.Folders {
		return os.RemoveAll(path)
	}
	return os.Remove(path)
}

// IsMine reports whether a file belongs to the user that this program runs as.
func IsMine(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Geteuid()
}
