package safefile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// tryEvery is the time between two attempts to write to a disk that has failed.
	tryEvery = 2 * time.Second
	// trySize is how much has to be written until a failed disk counts as working again, in bytes.
	trySize = 128 << 10
	// lookEvery is the time between two checks of a disk that works.
	lookEvery = 500 * time.Millisecond
	// lookSize is how much a check writes, without waiting for the disk, in bytes.
	lookSize = 4 << 10
	// slowLook is the time after which a check counts as one of a file system that does not answer.
	slowLook = time.Second
)

// A Health knows whether files can be written beside a path. It remembers the result of the last
// write, and checks itself when Problem is called. After a failure, only a larger write that
// reaches the disk counts as a success. Make it with NewHealth. Its methods may be called
// concurrently.
type Health struct {
	dir string

	mu      sync.Mutex
	failure error
	tried   time.Time // the end of the last attempt, write or look
	begun   time.Time // the attempt or look under way
	trying  bool
}

// NewHealth returns the Health of the directory of a path.
func NewHealth(path string) *Health { return &Health{dir: filepath.Dir(path)} }

// IsFull reports whether an error says that a disk is full, or a quota used up.
func IsFull(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// IsDisk reports whether an error says that a disk is full, read-only, broken or hanging.
func IsDisk(err error) bool {
	return IsFull(err) || errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EIO) || errors.Is(err, ErrHangs)
}

// PathOf is the path that an error is about; empty: it names none.
func PathOf(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path
	}
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.New
	}
	return ""
}

// Note notes the result of a write. Errors that are not about the disk do not count.
func (h *Health) Note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil || IsDisk(err) {
		h.failure, h.tried = err, time.Now()
	}
}

// Problem is why nothing can be written, without a path; empty: no reason is known. It does not
// wait: it starts a check, whose result later calls return.
func (h *Health) Problem() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	every := lookEvery
	if h.failure != nil {
		every = tryEvery
	}
	if now := time.Now(); !h.trying && now.Sub(h.tried) >= every {
		h.trying, h.begun = true, now
		if h.failure != nil {
			go h.try()
		} else {
			go h.look()
		}
	}
	code, isCode := errors.AsType[syscall.Errno](h.failure)
	switch {
	case isCode:
		return code.Error()
	case h.failure != nil, h.trying && time.Since(later(h.begun, h.tried)) >= slowLook:
		return ErrHangs.Error()
	}
	return ""
}

// later is the later one of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// try finds out whether a disk that has failed works again.
func (h *Health) try() {
	err := writeUnnamed(h.dir, trySize, true)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trying, h.tried = false, time.Now()
	if err == nil || isOwnFault(err) {
		h.failure = err
	}
}

// look finds out whether a disk fails. A success does not replace the failure of a write meanwhile.
func (h *Health) look() {
	err := writeUnnamed(h.dir, lookSize, false)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trying, h.tried = false, time.Now()
	if err != nil && isOwnFault(err) {
		h.failure = err
	}
}

// isOwnFault reports whether an error is about the directory and its disk, and not about
// what this process may have.
func isOwnFault(err error) bool {
	return !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) && !errors.Is(err, syscall.ENOMEM)
}

// writeUnnamed writes to a file without a name, which vanishes when it is closed. With sync it
// waits for the disk. A file system without such files counts as one that can be written.
func writeUnnamed(dir string, size int, sync bool) error {
	f, err := os.OpenFile(dir, os.O_WRONLY|unix.O_TMPFILE, 0o600)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EISDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, size))
	if sync {
		err = errors.Join(err, f.Sync())
	}
	return errors.Join(err, f.Close())
}
