package haproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"thalassa/internal/leftover"
)

// filePerm keeps what a configuration may hold (passwords of userlists) from
// other users; HAProxy reads it before it gives up its rights.
const filePerm = 0o640

// stage writes a file beside path and returns its name. The name begins with a
// dot and does not end in .cfg, so that no HAProxy that was given the folder
// (-f folder/) reads it. It belongs to whom the file at path belongs, where root
// asks on another user's behalf. On error nothing is left.
func stage(path string, content []byte) (name string, err error) {
	f, err := os.CreateTemp(filepath.Dir(path), leftover.StagedPrefix(path)+"*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(filePerm), giveTo(f, path), f.Close())
	return f.Name(), err
}

// read reads one of our files. Root, who does so for a user that may put anything
// in its place, follows no link and reads nothing but a file that the user could
// only have made: what only root may read would get into HAProxy's log, or into the
// file of that user.
func (p *Process) read(path string) ([]byte, error) {
	if p.cfg.User == nil {
		return os.ReadFile(path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := p.cfg.User.mayOwn(f); err != nil {
		return nil, err
	}
	return io.ReadAll(f)
}

// mayOwn is an error unless the user could have made a file, of which another one's
// second name is none.
func (u User) mayOwn(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !info.Mode().IsRegular() || !ok || stat.Uid != u.UID && stat.Nlink > 1 {
		return fmt.Errorf("%s: is no file of its own", f.Name())
	}
	return nil
}

// giveTo makes f belong to the owner of the file at path, if there is one and we
// are root.
func giveTo(f *os.File, path string) error {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() != 0 {
		return nil //nolint:nilerr // there is nobody to give it to
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || stat.Uid == 0 {
		return nil
	}
	return f.Chown(int(stat.Uid), int(stat.Gid))
}

// replace makes content the file at path, at once and for good: a reader sees
// the former file or the new one, also after a power cut. On error the former
// file is there.
func replace(path string, content []byte) error {
	name, err := stage(path, content)
	if err != nil {
		return err
	}
	err = syncPath(name)
	if err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		_ = os.Remove(name)
		return err
	}
	return syncPath(filepath.Dir(path))
}

// syncPath makes what was written to a file, or renamed in a folder, last.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// An exchange is a file that was replaced and can still be put back, for which
// not even space on the disk is needed.
type exchange struct {
	path   string
	backup string // "" when there was no file before
}

// install replaces the file on disk and keeps the former one aside until the
// exchange is undone or closed. On error nothing has changed.
func (p *Process) install(content []byte) (*exchange, error) {
	x := &exchange{path: p.cfg.ConfigPath}
	var err error
	if x.backup, err = p.keepAside(x.path); err != nil {
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
func (p *Process) keepAside(path string) (string, error) {
	backup := formerOf(path)
	_ = os.Remove(backup) // of a program that was killed; if it is in the way, Link says so
	err := os.Link(path, backup)
	if err == nil {
		return backup, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	content, err := p.read(path)
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

// sameFile reports whether the file at path holds content.
func sameFile(path string, content []byte) bool {
	f, err := openFile(path)
	if err != nil {
		return false
	}
	defer f.Close()
	there, err := io.ReadAll(io.LimitReader(f, int64(len(content))+1))
	return err == nil && bytes.Equal(there, content)
}

// openFile opens a file to read. A FIFO, which another user may put there, is none:
// who reads it may wait for ever.
func openFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: is no regular file", path)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
