package haproxy

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"

	"thalassa/internal/safefile"
	"thalassa/lb"
)

// A pathKeeper restores the paths that a master creates again at every reload.
type pathKeeper struct {
	cfg       *Config
	logger    *slog.Logger
	processes *ownProcesses
}

// clearForReload prevents that a reload ends HAProxy: a master that cannot create its
// socket or pid file ends with all its workers (2.6 to 3.2). It creates missing
// directories and removes obstacles.
func (pk *pathKeeper) clearForReload(master identity) error {
	pk.keepFolders(master)
	for _, path := range pk.masterPaths(master) {
		if err := pk.cfg.disk.clearPath(path, ownerOf(master.pid)); err != nil {
			return &lb.UnavailableError{What: fmt.Sprintf("HAProxy would end at a reload, because it cannot create %s again: %v", path, err)}
		}
	}
	return nil
}

// masterPaths are the paths that a master creates again at every reload.
func (pk *pathKeeper) masterPaths(master identity) (paths []string) {
	if pk.processes.includes(master.pid) {
		paths = append(paths, pk.cfg.MasterSocket)
	}
	if slices.Contains(pidPaths(master.pid), pk.cfg.PIDPath) {
		paths = append(paths, pk.cfg.PIDPath)
	}
	return paths
}

// keepFolders creates missing directories of the paths that a reload needs.
func (pk *pathKeeper) keepFolders(master identity) {
	pk.cfg.createFolders(pk.logger, append(pk.masterPaths(master), pk.cfg.StatsSocket))
}

// createFolders creates the missing directories of paths.
func (c *Config) createFolders(logger *slog.Logger, paths []string) {
	for _, path := range paths {
		dir := filepath.Dir(path)
		if is, err := c.disk.exists(dir); is || err != nil {
			continue
		}
		if err := c.disk.Do(dir, func(func() bool) error { return c.createFolder(dir) }); err != nil {
			logger.Error("creating the missing directory of haproxy's sockets failed", "path", dir, "error", err)
			continue
		}
		logger.Warn("missing directory of haproxy's sockets created", "path", dir)
	}
}

func (c *Config) createFolder(dir string) error {
	if c.CreateFolder != nil {
		return c.CreateFolder(dir)
	}
	err := os.MkdirAll(dir, 0o750)
	if u := c.User; u != nil && err == nil {
		err = safefile.ChangeDir(dir, int(u.UID), int(u.GID), 0o750) // the parent may be that user's
	}
	return err
}

// clearPath is the function of this name.
func (d *disk) clearPath(path string, uid uint32) error {
	return d.Do(path, func(func() bool) error { return clearPath(path, uid) })
}

// clearPath checks that a user can create a file at a path, and removes a file that the
// user could not replace.
func clearPath(path string, uid uint32) error {
	dir := filepath.Dir(path)
	folder, err := os.Stat(dir)
	switch {
	case err != nil:
		return err
	case !folder.IsDir():
		return fmt.Errorf("%s is not a directory", dir)
	}
	if uid == uint32(os.Geteuid()) { //nolint:gosec // ids are never negative on Linux
		if err := unix.Access(dir, unix.W_OK); err != nil {
			return fmt.Errorf("directory %s: %w", dir, err)
		}
	}
	info, err := os.Lstat(path)
	if err != nil {
		return nil //nolint:nilerr // nothing is at the path
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if info.IsDir() || ok && uid != 0 && stat.Uid != uid {
		return os.Remove(path)
	}
	return nil
}
