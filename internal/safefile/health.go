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
	// trySize is how much has to be written for it to count as well, in bytes.
	trySize = 128 << 10
)

// A Health remembers whether the last file beside a path could be written. While it could
// not, it tries again when somebody asks, so that it also knows when all is well again.
// Make it with NewHealth. Its methods may be called concurrently.
type Health struct {
	dir string

	mu      sync.Mutex
	failure error
	tried   time.Time
	trying  bool
}

// NewHealth is that of the directory of a path.
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

// Note notes what became of a write. Errors that are no fault of the disk do not count.
func (h *Health) Note(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil || IsDisk(err) {
		h.failure, h.tried = err, time.Now()
	}
}

// Problem is why nothing can be written, without a path; empty: the last write succeeded.
// It waits for nothing.
func (h *Health) Problem() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failure == nil {
		return ""
	}
	if !h.trying && time.Since(h.tried) >= tryEvery {
		h.trying = true
		go h.try()
	}
	if code, ok := errors.AsType[syscall.Errno](h.failure); ok {
		return code.Error()
	}
	return ErrHangs.Error()
}

// try writes a file without a name.
func (h *Health) try() {
	err := writeUnnamed(h.dir)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.trying, h.tried = false, time.Now()
	if err == nil || IsDisk(err) {
		h.failure = err
	}
}

// writeUnnamed writes to a file that is gone with its descriptor. A file system that knows
// none counts as one that can be written.
func writeUnnamed(dir string) error {
	f, err := os.OpenFile(dir, os.O_WRONLY|unix.O_TMPFILE, 0o600)
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.EISDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, trySize))
	return errors.Join(err, f.Sync(), f.Close())
}
