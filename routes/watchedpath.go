package routes

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// A watchedPath is that of a directory or a socket of a route. The way to it leads over no
// symbolic link but those that were there when somebody has looked last: whoever may write a
// directory above it could otherwise have the agent serve any directory of the machine, or
// connect to any socket. Another directory or socket may take its place at any time, as a
// deployment by rename does.
type watchedPath struct {
	path  string // absolute and clean
	links atomic.Pointer[[]bool]
}

func watch(path string) *watchedPath {
	w := &watchedPath{path: path}
	w.look()
	return w
}

// parts are the names of the path.
func (w *watchedPath) parts() []string {
	return strings.FieldsFunc(w.path, func(c rune) bool { return c == '/' })
}

// look notes which parts of the path are symbolic links.
func (w *watchedPath) look() {
	parts := w.parts()
	links, at := make([]bool, len(parts)), "/"
	for i, name := range parts {
		at = filepath.Join(at, name)
		info, err := os.Lstat(at)
		links[i] = err == nil && info.Mode()&fs.ModeSymlink != 0
	}
	w.links.Store(&links)
}

// Errors of watched paths, which are clauses for the log.
var (
	errLinked       = errors.New("its path has a symbolic link that was not there when the settings were read")
	errSecretAbove  = errors.New("it is a directory of which nothing is served, or below one")
	errPrivateAbove = errors.New("it is in a directory that is not for every user, expected mode 0755 or the like")
	errNoSocket     = errors.New("it is no socket that a route may lead to")
)

// openDirectory opens what is the directory now, unless it is one of the secrets, or below
// one: a symbolic link that its path had from the beginning may lead elsewhere by now.
func (w *watchedPath) openDirectory(secrets []fs.FileInfo) (*os.Root, error) {
	at, err := w.walk(unix.O_DIRECTORY)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at) //nolint:errcheck // opened to look only
	if isSecret, err := isBelow(at, secrets); err != nil || isSecret {
		return nil, cmp.Or(err, errSecretAbove)
	}
	return os.OpenRoot(self(at))
}

// dial connects to what is the socket now, by connect, unless it is one of the secrets.
func (w *watchedPath) dial(secrets []fs.FileInfo, connect func(path string) (net.Conn, error)) (net.Conn, error) {
	at, err := w.walk(0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(at) //nolint:errcheck // opened to look only
	var stat unix.Stat_t
	switch err := unix.Fstat(at, &stat); {
	case err != nil:
		return nil, err
	case stat.Mode&unix.S_IFMT == unix.S_IFLNK:
		return nil, errLinked
	case stat.Mode&unix.S_IFMT != unix.S_IFSOCK || identities(secrets)[identity{stat.Dev, stat.Ino}]:
		return nil, errNoSocket
	}
	return connect(self(at))
}

// self is a path to an open file, whatever has become of its name.
func self(fd int) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }

// above are the flags to open a directory with that is only passed through.
const above = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC

// walk opens each part of the path in the one before, with O_PATH, and the last one with
// flags too.
func (w *watchedPath) walk(flags int) (fd int, err error) {
	if fd, err = unix.Open("/", above, 0); err != nil {
		return -1, err
	}
	links, parts := *w.links.Load(), w.parts()
	for i, name := range parts {
		how := above
		if i == len(parts)-1 {
			how = unix.O_PATH | unix.O_CLOEXEC | flags
		}
		if !links[i] {
			how |= unix.O_NOFOLLOW
		}
		next, err := unix.Openat(fd, name, how, 0)
		if errors.Is(err, unix.ENOTDIR) && isLink(fd, name) {
			err = errLinked
		}
		_ = unix.Close(fd)
		if err != nil {
			return -1, err
		}
		fd = next
	}
	return fd, nil
}

func isLink(dir int, name string) bool {
	var stat unix.Stat_t
	err := unix.Fstatat(dir, name, &stat, unix.AT_SYMLINK_NOFOLLOW)
	return err == nil && stat.Mode&unix.S_IFMT == unix.S_IFLNK
}

// An identity is a file, whatever its names are.
type identity struct{ device, inode uint64 }

func identities(files []fs.FileInfo) map[identity]bool {
	out := map[identity]bool{}
	for _, info := range files {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			out[identity{stat.Dev, stat.Ino}] = true
		}
	}
	return out
}

// isBelow reports whether a directory is one of some, or below one.
func isBelow(dir int, some []fs.FileInfo) (bool, error) {
	wanted := identities(some)
	if len(wanted) == 0 {
		return false, nil
	}
	return climb(dir, func(stat unix.Stat_t) bool { return wanted[identity{stat.Dev, stat.Ino}] })
}

// climb looks at a directory and those above it, up to the first that is one to stop at.
func climb(dir int, stop func(unix.Stat_t) bool) (found bool, err error) {
	dir, err = unix.Openat(dir, ".", above, 0)
	for last := (identity{}); err == nil; {
		var stat unix.Stat_t
		if err = unix.Fstat(dir, &stat); err != nil {
			return false, errors.Join(err, unix.Close(dir))
		}
		now := identity{stat.Dev, stat.Ino}
		if isRoot := now == last; stop(stat) || isRoot { // the parent of the root is the root
			return !isRoot, unix.Close(dir)
		}
		last = now
		next, errOpen := unix.Openat(dir, "..", above, 0)
		_ = unix.Close(dir)
		dir, err = next, errOpen
	}
	return false, err
}

// checkPlace refuses an open file or directory that lies below a directory of secrets, whatever
// links have led to it: the directory of a route may have one in it by now. It also refuses what
// is in a directory that not every user may enter, from that of the route on: another directory
// may have been renamed into it.
func checkPlace(f *os.File, root *os.Root, secrets []fs.FileInfo) error {
	place, err := os.Readlink(self(int(f.Fd()))) //nolint:gosec // a descriptor
	if err != nil {
		return err
	}
	dir, err := unix.Open(filepath.Dir(place), above, 0)
	if err != nil {
		return err
	}
	defer unix.Close(dir) //nolint:errcheck // opened to look only
	if isSecret, err := isBelow(dir, secrets); err != nil || isSecret {
		return cmp.Or(err, errSecretAbove)
	}
	top, err := root.Stat(".")
	if err != nil {
		return err
	}
	return checkForOthers(dir, top)
}

// checkForOthers refuses a directory if not every user may enter it and those above it, up to
// and with top.
func checkForOthers(dir int, top fs.FileInfo) error {
	wanted := identities([]fs.FileInfo{top})
	if top.Mode().Perm()&0o001 == 0 {
		return errPrivateAbove
	}
	isPrivate := false
	isThere, err := climb(dir, func(stat unix.Stat_t) bool {
		isTop := wanted[identity{stat.Dev, stat.Ino}]
		isPrivate = isPrivate || !isTop && stat.Mode&0o001 == 0
		return isTop || isPrivate
	})
	switch {
	case err != nil:
		return err
	case isPrivate:
		return errPrivateAbove
	case !isThere: // it is not below top any more
		return fs.ErrNotExist
	}
	return nil
}
