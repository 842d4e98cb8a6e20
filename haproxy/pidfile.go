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

// argumentsOf are the arguments of a process; none when it has ended.
func argumentsOf(pid int) []string {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
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

// keepPIDFile restores a pid file that somebody has removed or changed, if the master was
// started with it: other programs find HAProxy by it. It logs an error once per master.
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

// replacePIDFile writes the pid file in the place of any file, link or empty directory.
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
	err = os.Chmod(name, 0o644) //nolint:gosec // as HAProxy creates it: everybody may read it
	if err == nil {
		err = os.Rename(name, pk.cfg.PIDPath)
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}
