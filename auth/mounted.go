package auth

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"thalassa/internal/safefile"
)

// Container engines mount secrets as files of root that everybody may read, on a read-only
// mount. Inside of a container, "everybody" is the container's own programs.

// isMountedSecret reports whether a file that others may read is a container's secret:
// root owns it, nobody but root may write it, its mount is read-only, and root, the path
// of the root directory, is a container's.
func isMountedSecret(f *os.File, info fs.FileInfo, root string) bool {
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid != 0 || info.Mode().Perm()&0o023 != 0 {
		return false
	}
	var mount unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &mount); err != nil || mount.Flags&unix.ST_RDONLY == 0 {
		return false
	}
	return isContainer(root)
}

// containerPaths are in the cgroup of a container's first process, or in the options of
// the mount of its root directory.
var containerPaths = regexp.MustCompile(`docker|containerd|kubepods|libpod|/containers/storage/|crio|/lxc/`)

// isContainer reports whether a container engine made the root directory.
func isContainer(root string) bool {
	for _, mark := range []string{".dockerenv", "run/.containerenv"} {
		if _, err := os.Lstat(filepath.Join(root, mark)); err == nil {
			return true
		}
	}
	if cgroup, err := safefile.Read(filepath.Join(root, "proc/1/cgroup"), 16<<20); err == nil && containerPaths.Match(cgroup) {
		return true
	}
	mounts, _ := safefile.Read(filepath.Join(root, "proc/self/mountinfo"), 16<<20) // none: it is no container
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == "/" && strings.Contains(line, " overlay ") && containerPaths.MatchString(line) {
			return true
		}
	}
	return false
}
