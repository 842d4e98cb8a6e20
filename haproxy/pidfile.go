package haproxy

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"thalassa/internal/safefile"
)

// A pidFile restores the pid file that HAProxy has written.
type pidFile struct {
	cfg     *Config
	logger  *slog.Logger
	changes changeLock
	files   *configFiles

	mu     sync.Mutex
	failed identity // the master whose pid file could not be restored
}

// pidPaths are the pid files that a process was told to write (-p).
func pidPaths(pid int) (paths []string) {
	args := argumentsOf(pid)
	for i, arg := range args {
		if arg == "-p" && i+1 < len(args) {
			paths = append(paths, args[i+1])
		}
	}
	return paths
}

// argumentsOf are the arguments of a process; none when it has ended.
func argumentsOf(pid int) []string {
	line, err := safefile.Read("/proc/"+strconv.Itoa(pid)+"/cmdline", maxProc)
	if err != nil {
		return nil
	}
	return strings.Split(string(line), "\x00")
}

// ownerOf is the user that a process runs as; root when it has ended.
func ownerOf(pid int) uint32 {
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return 0
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid
	}
	return 0
}

// keep restores a pid file that somebody has removed or changed, if the master was
// started with it: other programs find HAProxy by it. It logs an error once per master.
func (pf *pidFile) keep(master identity) {
	if !slices.Contains(pidPaths(master.pid), pf.cfg.PIDPath) {
		return
	}
	want := []byte(strconv.Itoa(master.pid) + "\n")
	if there, err := pf.files.readSmall(pf.cfg.PIDPath); err == nil && bytes.Equal(bytes.TrimSpace(there), bytes.TrimSpace(want)) {
		return
	}
	if !pf.changes.tryLock() {
		return // HAProxy may be writing it
	}
	defer pf.changes.unlock()
	if !master.alive() {
		return
	}
	err := pf.replace(want)
	pf.mu.Lock()
	told := pf.failed == master
	pf.failed = identity{}
	if err != nil {
		pf.failed = master
	}
	pf.mu.Unlock()
	switch {
	case err == nil:
		pf.logger.Warn("pid file of haproxy restored", "path", pf.cfg.PIDPath, "pid", master.pid)
	case !told:
		pf.logger.Error("restoring the pid file of haproxy failed", "path", pf.cfg.PIDPath, "pid", master.pid, "error", err)
	}
}

// replace writes the pid file; it replaces any file, link or empty directory there.
func (pf *pidFile) replace(content []byte) error {
	return pf.cfg.disk.Do(pf.cfg.PIDPath, func(abandoned func() bool) error { return pf.exchange(content, abandoned) })
}

func (pf *pidFile) exchange(content []byte, abandoned func() bool) error {
	if info, err := os.Lstat(pf.cfg.PIDPath); err == nil && info.IsDir() {
		if err := os.Remove(pf.cfg.PIDPath); err != nil {
			return err
		}
	}
	name, err := writeTempAs(pf.cfg.PIDPath, content, 0o644, nil) // as HAProxy creates it: everybody may read it
	if err != nil {
		return err
	}
	return moveInto(name, pf.cfg.PIDPath, abandoned)
}
