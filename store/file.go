package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"thalassa/internal/safefile"
)

// lockInterval is the time between two attempts to lock the file.
const lockInterval = 20 * time.Millisecond

// open locks, examines and opens the file. The lock is held from before the
// first look until the store is closed, so that no two processes examine,
// create or set aside the same file.
func open(path string, o Options) (*bbolt.DB, *os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, nil, fmt.Errorf("making the directory of the store: %w", err)
	}
	file, err := acquire(path, o.Timeout)
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && info.Size() == 0 {
		defer file.Close() // replaced
		return create(path)
	}
	var bolt *bbolt.DB
	if err == nil {
		bolt, err = examine(file, path, info)
	}
	if err == nil {
		return bolt, file, nil
	}
	defer file.Close()
	if errors.Is(err, errDamage) {
		return nil, nil, setAside(path, o.Now(), err)
	}
	return nil, nil, fmt.Errorf("opening the store %s: %w", path, err)
}

// acquire opens the file, made empty where there is none, and locks it.
func acquire(path string, timeout time.Duration) (*os.File, error) {
	deadline := time.Now().Add(timeout)
	for {
		file, err := safefile.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("opening the store: %w", err)
		}
		current, err := lock(file, path, deadline)
		if err == nil && current {
			return file, nil
		}
		_ = file.Close() // nothing was written
		if err != nil {
			return nil, err
		}
	}
}

// lock reports whether path still leads to the file once it is locked: the process that held the
// lock before may have put another one there.
func lock(file *os.File, path string, deadline time.Time) (bool, error) {
	info, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("opening the store: %w", err)
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("opening the store: %s is not a regular file", path)
	}
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return false, fmt.Errorf("locking the store %s: %w", path, err)
		}
		if time.Now().After(deadline) {
			return false, &LockedError{Path: path}
		}
		<-time.After(lockInterval)
	}
	now, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("locking the store %s: %w", path, err)
	}
	return os.SameFile(info, now), nil
}

// create makes a new store beside path and renames it into place when it is
// complete. The caller holds the lock on the empty file that path is now.
func create(path string) (*bbolt.DB, *os.File, error) {
	staged := path + ".new"
	if err := os.Remove(staged); err != nil && !errors.Is(err, fs.ErrNotExist) { // left by a crash
		return nil, nil, fmt.Errorf("creating the store %s: %w", path, err)
	}
	file, err := safefile.OpenFile(staged, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("creating the store: %w", err)
	}
	bolt, err := openBbolt(file)
	if err == nil {
		if err = install(bolt, staged, path); err == nil {
			return bolt, file, nil
		}
		_ = bolt.Close() // closes file, too
	}
	_ = os.Remove(staged) // or the next attempt does
	_ = file.Close()      // closed already unless bbolt panicked
	return nil, nil, fmt.Errorf("creating the store %s: %w", path, err)
}

// install fills a new store and gives it its name.
func install(bolt *bbolt.DB, staged, path string) error {
	if err := bolt.Update(layOut); err != nil {
		return err
	}
	if err := os.Rename(staged, path); err != nil {
		return err
	}
	return syncDir(path)
}

// examine verifies the file and opens it with bbolt.
func examine(file *os.File, path string, info fs.FileInfo) (*bbolt.DB, error) {
	if err := verify(file, info.Size(), path); err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := file.Chmod(0o600); err != nil {
			return nil, err
		}
	}
	return openBbolt(file)
}

// openBbolt opens a file that the caller has locked. A panic of bbolt's is
// damage that verify did not see.
func openBbolt(file *os.File) (bolt *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if cause := recover(); cause != nil {
			err = damage("bbolt cannot open it: %v", cause)
		}
	}()
	return bbolt.Open(file.Name(), 0o600, &bbolt.Options{
		Timeout: time.Second, NoStatistics: true,
		// The very file that was locked and verified. flock knows it as the same
		// open file and grants it again.
		OpenFile: func(string, int, os.FileMode) (*os.File, error) { return file, nil },
	})
}

// setAside renames a damaged file and returns the *DamagedError that says so, or
// another error when it could not be renamed.
func setAside(path string, now time.Time, cause error) error {
	base := path + ".damaged-" + now.UTC().Format("20060102T150405Z")
	for n := 1; ; n++ {
		aside := base
		if n > 1 {
			aside += "-" + strconv.Itoa(n)
		}
		err := move(path, aside)
		if err == nil {
			err = syncDir(path)
		}
		switch {
		case err == nil:
			return &DamagedError{Path: path, SetAside: aside, Cause: cause}
		case !errors.Is(err, fs.ErrExist):
			return fmt.Errorf("the store %s is damaged (%w) and cannot be set aside: %w", path, cause, err)
		}
	}
}

// move renames a file unless the new name is taken, which is fs.ErrExist. A
// crash in between leaves it under both names.
func move(from, to string) error {
	err := os.Link(from, to)
	if err == nil {
		return os.Remove(from)
	}
	if errors.Is(err, fs.ErrExist) {
		return err
	}
	// A file system without hard links.
	if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
		return fs.ErrExist
	}
	return os.Rename(from, to)
}

// syncDir makes the present entries of path's directory survive a crash of the
// machine.
func syncDir(path string) error {
	return safefile.Sync(filepath.Dir(path))
}
