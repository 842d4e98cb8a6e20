package haproxy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"thalassa/internal/safefile"
)

// A fileSwap is a replaced file that can still be restored, also on a full disk.
type fileSwap struct {
	disk   *disk
	path   string
	backup string // "" when there was no file before
}

// swap replaces the file on disk. It keeps the previous one until undo or close. On error
// nothing has changed.
func (c *configFiles) swap(content []byte) (*fileSwap, error) {
	s := &fileSwap{path: c.cfg.ConfigPath, disk: c.cfg.disk}
	var err error
	if s.backup, err = c.keepAside(s.path); err != nil {
		return nil, fmt.Errorf("keeping the former file: %w", err)
	}
	if err := c.cfg.disk.replace(s.path, content); err != nil {
		return nil, errors.Join(err, s.undo())
	}
	return s, nil
}

// asidePath is where the previous file is kept.
func asidePath(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".former")
}

// keepAside creates a hard link to the file at path, or a copy where the system forbids
// links (fs.protected_hardlinks). The name is "" when there is no file.
func (c *configFiles) keepAside(path string) (string, error) {
	backup := asidePath(path)
	err := c.cfg.disk.Do(backup, func(func() bool) error {
		_ = os.Remove(backup) // of a program that was killed; if it is in the way, Link says so
		return os.Link(path, backup)
	})
	if err == nil {
		return backup, nil
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case errors.Is(err, safefile.ErrHangs):
		return "", err
	}
	content, err := c.read(path)
	if err != nil {
		return "", err
	}
	return backup, c.cfg.disk.replace(backup, content)
}

// undo restores the previous file. Without one it removes the new file.
func (s *fileSwap) undo() error {
	return s.disk.Do(s.path, func(func() bool) error { return s.restore() })
}

func (s *fileSwap) restore() error {
	if s.backup == "" {
		if err := os.Remove(s.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return safefile.Sync(filepath.Dir(s.path))
	}
	if err := os.Rename(s.backup, s.path); err != nil {
		return err
	}
	// Two names of one file: rename(2) does nothing then.
	_ = os.Remove(s.backup)
	return safefile.Sync(filepath.Dir(s.path))
}

// close removes the previous file.
func (s *fileSwap) close() {
	if s.backup != "" {
		s.disk.remove(s.backup)
	}
}
