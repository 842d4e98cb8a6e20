package haproxy

import (
	"bytes"
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

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

// argumentsOf are the words that a process was started with; none when it is gone.
func argumentsOf(pid int) []string {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil
	}
	return strings.Split(string(line), "\x00")
}

// ownerOf is the user that a process runs as; root when it is gone.
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

// keepPIDFile puts the master's process id back into a pid file that somebody has
// removed, emptied or replaced, where the master was told to write it: other programs
// find HAProxy by it. What fails is told once for each master.
func (pk *pathKeeper) keepPIDFile(master identity) {
	if !slices.Contains(pidPaths(master.pid), pk.cfg.PIDPath) {
		return
	}
	want := []byte(strconv.Itoa(master.pid) + "\n")
	if there, err := pk.files.readSmall(pk.cfg.PIDPath); err == nil && bytes.Equal(bytes.TrimSpace(there), bytes.TrimSpace(want)) {
		return
	}
	if !pk.changes.tryLock() {
		return // HAProxy may be writing it
	}
	defer pk.changes.unlock()
	if !master.alive() {
		return
	}
	err := pk.replacePIDFile(want)
	pk.mu.Lock()
	told := pk.failed == master
	pk.failed = identity{}
	if err != nil {
		pk.failed = master
	}
	pk.mu.Unlock()
	switch {
	case err == nil:
		pk.logger.Warn("haproxy's pid file was changed by somebody else, put right", "path", pk.cfg.PIDPath, "pid", master.pid)
	case !told:
		pk.logger.Error("haproxy's pid file was changed by somebody else, and cannot be put right", "path", pk.cfg.PIDPath, "pid", master.pid, "error", err)
	}
}

// replacePIDFile writes the pid file whatever stands there, but for a directory that
// is not empty.
func (pk *pathKeeper) replacePIDFile(content []byte) error {
	if info, err := os.Lstat(pk.cfg.PIDPath); err == nil && info.IsDir() {
		if err := os.Remove(pk.cfg.PIDPath); err != nil {
			return err
		}
	}
	name, err := stage(pk.cfg.PIDPath, content)
	if err != nil {
		return err
	}
	err = os.Chmod(name, 0o644) //nolint:gosec // as HAProxy makes it: whoever wants to know may read it
	if err == nil {
		err = os.Rename(name, pk.cfg.PIDPath)
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
