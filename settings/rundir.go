package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"thalassa/internal/safefile"
)

// systemRunDir is the run-time directory of a system's agent: for HAProxy's sockets and
// its pid file. The packaged settings and the resource agent name it.
const systemRunDir = "/run/thalassa"

// A runDirs is where an agent's run-time directory may be.
type runDirs struct {
	system string // root's, or another user's for whom it was made
	user   string // XDG_RUNTIME_DIR, may be empty
	uid    int    // of this program
}

// choose returns the run-time directory, which need not exist yet. Nothing is changed.
func (d runDirs) choose() (string, error) {
	if d.uid == 0 {
		return d.system, d.check(d.system)
	}
	why := d.check(d.system)
	if _, err := os.Lstat(d.system); err != nil {
		why = fmt.Errorf("%s does not exist", d.system)
	}
	if why == nil {
		return d.system, nil
	}
	if !filepath.IsAbs(d.user) {
		return "", fmt.Errorf("%w, and XDG_RUNTIME_DIR is not set", why)
	}
	own := filepath.Join(d.user, "thalassa")
	if err := d.check(own); err != nil {
		return "", fmt.Errorf("%w, and %w", why, err)
	}
	return own, nil
}

// check returns what is wrong with a run-time directory: only its user may be able to replace it or
// what is in it. For one that does not exist yet, the directories above it count.
func (d runDirs) check(dir string) error {
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link, expected a directory", dir)
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	case owner(info) != d.uid:
		return fmt.Errorf("%s belongs to uid %d, expected %d", dir, owner(info), d.uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s may be written to by others (mode %#o), expected 0700", dir, info.Mode().Perm())
	}
	above, err := filepath.EvalSymlinks(filepath.Dir(dir))
	if err != nil {
		return err
	}
	for {
		info, err := os.Lstat(above)
		if err != nil {
			return err
		}
		if uid := owner(info); uid != 0 && uid != d.uid {
			return fmt.Errorf("%s, above %s, belongs to uid %d", above, dir, uid)
		}
		if info.Mode().Perm()&0o022 != 0 && info.Mode()&fs.ModeSticky == 0 {
			return fmt.Errorf("others may replace what is in %s, above %s", above, dir)
		}
		if above == filepath.Dir(above) {
			return nil
		}
		above = filepath.Dir(above)
	}
}

// makeDir makes a run-time directory with mode 0700, which workers may pass.
func (d runDirs) makeDir(dir string, worker *account) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := d.check(dir); err != nil {
		return err
	}
	return d.letPass(dir, worker)
}

// letPass lets HAProxy's workers reach the socket in a directory through which stick tables are
// passed on at a reload. Workers that run as another user may enter the directory but not list it;
// where root makes it, only their group may.
func (d runDirs) letPass(dir string, worker *account) error {
	if worker == nil || int(worker.uid) == d.uid {
		return nil
	}
	if d.uid != 0 {
		return safefile.ChangeDir(dir, -1, -1, 0o711)
	}
	return safefile.ChangeDir(dir, -1, int(worker.gid), 0o710)
}

func owner(info fs.FileInfo) int {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1
	}
	return int(stat.Uid)
}

// isShared reports whether everybody may make files in a directory, as in /tmp, so that others may
// create a path in it first.
func isShared(dir string) bool {
	info, err := os.Stat(dir)
	return err == nil && info.Mode().Perm()&0o002 != 0
}
