package haproxy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"thalassa/lb"
)

// prepare raises the limit of open files. For a HAProxy of another user it creates the
// folders of its sockets and pid file, and its startup log.
func (la *launcher) prepare() error {
	if n := la.cfg.OpenFiles; n > 0 {
		if err := raiseOpenFiles(n); err != nil {
			la.logger.Warn("limit of open files not raised to the configured value", "open_files", n, "error", err)
		}
	}
	paths, u := []string{la.cfg.PIDPath, la.cfg.MasterSocket, la.cfg.StatsSocket}, la.cfg.User
	la.cfg.createFolders(la.logger, paths)
	uid := uint32(os.Geteuid()) //nolint:gosec // ids are never negative on Linux
	switch {
	case u != nil:
		uid = u.UID
	case la.cfg.Sudo:
		uid = 0
	}
	for _, path := range paths {
		// HAProxy's own refusal would look like one of the configuration.
		if err := la.cfg.disk.clearPath(path, uid); err != nil {
			return &lb.UnavailableError{What: fmt.Sprintf("HAProxy cannot be started, because it cannot create %s: %v", path, err)}
		}
	}
	if u == nil {
		return nil
	}
	for _, path := range paths {
		// Left by a HAProxy that ran as another user.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if la.cfg.StartupLog == "" || la.cfg.StartupLog == os.DevNull {
		return nil
	}
	log, err := la.startupLog.open()
	if err != nil {
		return fmt.Errorf("opening startup log: %w", err)
	}
	defer log.Close()
	if log.Name() == os.DevNull { // the log cannot be made
		return nil
	}
	return log.Chown(int(u.UID), int(u.GID))
}

// raiseOpenFiles raises the limit of this program and its children to n. Without the
// permission it raises the soft limit to the hard one.
func raiseOpenFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Max >= n && limit.Cur >= n {
		return nil
	}
	wanted := syscall.Rlimit{Cur: max(limit.Cur, n), Max: max(limit.Max, n)}
	err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted)
	if err != nil {
		limit.Cur = limit.Max
		err = errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit))
	}
	return err
}
