package haproxy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// An exchange is a file that was replaced and can still be put back, for which
// not even space on the disk is needed.
type exchange struct {
	path   string
	backup string // "" when there was no file before
}

// swap replaces the file on disk and keeps the former one aside until the
// exchange is undone or closed. On error nothing has changed.
func (c *configFiles) swap(content []byte) (*exchange, error) {
	x := &exchange{path: c.cfg.ConfigPath}
	var err error
	if x.backup, err = c.keepAside(x.path); err != nil {
		return nil, fmt.Errorf("keeping the former file: %w", err)
	}
	if err := replace(x.path, content); err != nil {
		return nil, errors.Join(err, x.undo())
	}
	return x, nil
}

// formerOf is where the former file is kept aside.
func formerOf(path string) string {
	return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".former")
}

// keepAside makes a second name for the file at path, or a copy of it where the
// system forbids links (fs.protected_hardlinks). No file gives no name.
func (c *configFiles) keepAside(path string) (string, error) {
	backup := formerOf(path)
	_ = os.Remove(backup) // of a program that was killed; if it is in the way, Link says so
	err := os.Link(path, backup)
	if err == nil {
		return backup, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	content, err := c.read(path)
	if err != nil {
		return "", err
	}
	return backup, replace(backup, content)
}

// undo puts the former file back, or removes the new one when there was none.
func (x *exchange) undo() error {
	if x.backup == "" {
		if err := os.Remove(x.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return syncPath(filepath.Dir(x.path))
	}
	if err := os.Rename(x.backup, x.path); err != nil {
		return err
	}
	// Two names of one file: rename(2) does nothing then.
	_ = os.Remove(x.backup)
	return syncPath(filepath.Dir(x.path))
}

// close forgets the former file.
func (x *exchange) close() {
	if x.backup != "" {
		_ = os.Remove(x.backup)
	}
}
