// Package safefile opens files in directories that other users may write to. It never waits for the
// other end of a FIFO, opens only regular files, and examines them by their descriptors, so that
// nobody can replace a file between the check and the use.
package safefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// ErrNotRegular is the cause of an error about a FIFO, a directory, a device or a socket
// where a file was expected.
var ErrNotRegular = errors.New("is not a regular file")

// ErrForeign is the cause of an error about a file that may be another user's: it has
// several names (hard links), and none of the allowed owners.
var ErrForeign = errors.New("is not a regular file of its user")

// Open opens a regular file to read. It follows symbolic links. An error names the path.
func Open(path string) (*os.File, error) {
	f, _, err := open(path, os.O_RDONLY, 0)
	return f, err
}

// Read reads a regular file of at most limit bytes; a longer one is an error.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

// OpenOwned opens a regular file to read in a directory of another user. It follows no
// symbolic link at the end of the path. A file with several hard links must belong to
// one of the owners, given by user id.
func OpenOwned(path string, owners ...uint32) (*os.File, error) {
	f, stat, err := open(path, os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	if stat.Nlink > 1 && !slices.Contains(owners, stat.Uid) {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrForeign), f.Close())
	}
	return f, nil
}

// ReadOwned is OpenOwned and Read.
func ReadOwned(path string, limit int64, owners ...uint32) ([]byte, error) {
	f, err := OpenOwned(path, owners...)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, limit)
}

// OpenFile opens a regular file, for example to write, with the flags and mode of os.OpenFile. It
// follows no symbolic link at the end of the path, and the file must have no other name (hard
// link), since another file would change with it. The flags must not include O_TRUNC, because the
// file is checked after it is opened.
func OpenFile(path string, flags int, mode os.FileMode) (*os.File, error) {
	f, stat, err := open(path, flags|syscall.O_NOFOLLOW, mode)
	if err != nil {
		return nil, err
	}
	if stat.Nlink > 1 {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, ErrForeign), f.Close())
	}
	return f, nil
}

// Discard opens os.DevNull to write, and is named like it.
func Discard() (*os.File, error) { return os.OpenFile(os.DevNull, os.O_WRONLY, 0) }

// Sync flushes a regular file or a directory to disk.
func Sync(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// OpenDir opens a directory, for example to lock it.
func OpenDir(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NONBLOCK, 0)
}

// ChangeDir changes owner and mode of a directory that belongs to the user of this
// program. It follows no symbolic link at the end of the path. An id of -1 stays as it is.
func ChangeDir(path string, uid, gid int, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Uid) != os.Geteuid() {
		return fmt.Errorf("%s: belongs to another user", path)
	}
	return errors.Join(f.Chmod(mode), f.Chown(uid, gid))
}

// open opens a regular file without blocking.
func open(path string, flags int, mode os.FileMode) (*os.File, *syscall.Stat_t, error) {
	f, err := os.OpenFile(filepath.Clean(path), flags|syscall.O_NONBLOCK|syscall.O_NOCTTY, mode)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", path, ErrNotRegular), f.Close())
	}
	return f, stat, nil
}

// readAll reads an open file of at most limit bytes.
func readAll(f *os.File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// The whole file at once: it is not copied while memory for it is found.
	data := bytes.NewBuffer(make([]byte, 0, max(0, min(info.Size(), limit))+bytes.MinRead))
	_, err = data.ReadFrom(io.LimitReader(f, limit+1))
	switch {
	case err != nil:
		return nil, err
	case int64(data.Len()) > limit:
		return nil, fmt.Errorf("%s: is larger than %d bytes", f.Name(), limit)
	}
	return data.Bytes(), nil
}
