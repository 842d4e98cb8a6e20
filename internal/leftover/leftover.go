// Package leftover removes temporary files and folders that killed programs left
// behind. It removes nothing that may be in use, and nothing of other users.
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

// A Kind describes the temporary files that a program creates in one folder.
type Kind struct {
	Dir string
	// Prefixes are the beginnings of the names; os.CreateTemp or os.MkdirTemp adds a
	// number.
	Prefixes []string
	// Folders: they are folders. They are removed with their contents.
	Folders bool
	// After is the age from which on no program uses one any more.
	After time.Duration
	// Owns reports whether a file is ours (one of the user of this program).
	Owns func(fs.FileInfo) bool
}

// TempPrefix is the beginning of the names of files that are written beside path and
// renamed to it when they are complete. They are hidden, and have another extension.
func TempPrefix(path string) string { return "." + filepath.Base(path) + "." }

// Sweep removes old files and logs each. A file that is missing or cannot be removed
// is not an error.
func (k Kind) Sweep(ctx context.Context, logger *slog.Logger) {
	k.each(func(path string, err error) {
		if err != nil {
			logger.WarnContext(ctx, "leftover of a killed program not removed", "path", path, "error", err)
			return
		}
		logger.InfoContext(ctx, "leftover of a killed program removed", "path", path)
	})
}

// Remove removes old files, as Sweep does, without logging them.
func (k Kind) Remove() { k.each(func(string, error) {}) }

// each removes old files, and calls note with the result for each.
func (k Kind) each(note func(path string, err error)) {
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
		note(path, k.remove(path))
	}
}

// names reports whether a file name has one of the prefixes.
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
