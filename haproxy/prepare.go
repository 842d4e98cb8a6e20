package haproxy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"thalassa/lb"
)

// prepare makes what a HAProxy needs that is started as another user or with
// other limits: the folders of its sockets and pid file, its startup log.
func (p *Process) prepare() error {
	if n := p.cfg.OpenFiles; n > 0 {
		if err := raiseOpenFiles(n); err != nil {
			p.logger.Warn("limit of open files not raised as far as asked for", "open_files", n, "error", err)
		}
	}
	paths, u := []string{p.cfg.PIDPath, p.cfg.MasterSocket, p.cfg.StatsSocket}, p.cfg.User
	p.makeFolders(paths)
	uid := uint32(os.Geteuid()) //nolint:gosec // ids are never negative on Linux
	switch {
	case u != nil:
		uid = u.UID
	case p.cfg.Sudo:
		uid = 0
	}
	for _, path := range paths {
		// HAProxy's own refusal would be taken for one of the configuration.
		if err := clearPath(path, uid); err != nil {
			return &lb.UnavailableError{What: fmt.Sprintf("HAProxy cannot be started, because it cannot make %s: %v", path, err)}
		}
	}
	if u == nil {
		return nil
	}
	for _, path := range paths {
		// Of a HAProxy that ran as somebody else, and has ended.
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if p.cfg.StartupLog == "" || p.cfg.StartupLog == os.DevNull {
		return nil
	}
	log, err := p.words.open()
	if err != nil {
		return fmt.Errorf("opening startup log: %w", err)
	}
	defer log.Close()
	if err := u.mayOwn(log); err != nil {
		return fmt.Errorf("opening startup log: %w", err)
	}
	return log.Chown(int(u.UID), int(u.GID))
}

// raiseOpenFiles sets the limit of this program, and of what it starts, unless
// that is higher. Where it may not go that far it goes as far as it may.
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
