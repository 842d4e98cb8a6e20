package haproxy

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"thalassa/internal/safefile"
)

// diskTime bounds one operation on files. The lock is held meanwhile, so while a disk hangs, a
// killed HAProxy is started again at most this much later.
const diskTime = 4 * time.Second

// A disk reads and writes files, with a deadline for file systems that hang.
type disk struct {
	*safefile.Patience
	health *safefile.Health // of the directory of haproxy.cfg
}

func newDisk(configPath string) *disk {
	return &disk{safefile.NewPatience(diskTime), safefile.NewHealth(configPath)}
}

// DiskProblem is a sentence, which anybody may read, that says why nothing can be written beside
// haproxy.cfg; empty: the last write succeeded.
func (p *Process) DiskProblem() string {
	if why := p.cfg.disk.health.Problem(); why != "" {
		return "haproxy.cfg cannot be written: " + why
	}
	return ""
}

// exists reports whether anything is at path. A file system that hangs is an error.
func (d *disk) exists(path string) (bool, error) {
	_, err := tell(d, path, func(func() bool) (fs.FileInfo, error) { return os.Stat(path) })
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// tell returns what do finds out about path.
func tell[T any](d *disk, path string, do func(abandoned func() bool) (T, error)) (T, error) {
	found := make(chan T, 1)
	err := d.Do(path, func(abandoned func() bool) error {
		value, err := do(abandoned)
		if err == nil {
			found <- value
		}
		return err
	})
	if err != nil {
		var zero T
		return zero, err
	}
	return <-found, nil
}
