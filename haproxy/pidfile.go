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
func (p *Process) pidPaths(pid int) (paths []string) {
	args := arguments(pid)
	for i, arg := range args {
		if arg == "-p" && i+1 < len(args) {
			paths = append(paths, args[i+1])
		}
	}
	return paths
}

// arguments are the words that a process was started with; none when it is gone.
func arguments(pid int) []string {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return nil
	}
	return strings.Split(string(line), "\x00")
}

// owner is the user that a process runs as; root when it is gone.
func owner(pid int) uint32 {
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
func (p *Process) keepPIDFile(master identity) {
	if !slices.Contains(p.pidPaths(master.pid), p.cfg.PIDPath) {
		return
	}
	want := []byte(strconv.Itoa(master.pid) + "\n")
	if there, err := p.readRegular(p.cfg.PIDPath); err == nil && bytes.Equal(bytes.TrimSpace(there), bytes.TrimSpace(want)) {
		return
	}
	select {
	case p.turn <- struct{}{}:
		defer p.release()
	default:
		return // HAProxy may be writing it
	}
	if !master.alive() {
		return
	}
	err := p.replacePIDFile(want)
	p.mu.Lock()
	told := p.pidFileFails == master
	p.pidFileFails = identity{}
	if err != nil {
		p.pidFileFails = master
	}
	p.mu.Unlock()
	switch {
	case err == nil:
		p.logger.Warn("haproxy's pid file was changed by somebody else, put right", "path", p.cfg.PIDPath, "pid", master.pid)
	case !told:
		p.logger.Error("haproxy's pid file was changed by somebody else, and cannot be put right", "path", p.cfg.PIDPath, "pid", master.pid, "error", err)
	}
}

// replacePIDFile writes the pid file whatever stands there, but for a directory that
// is not empty.
func (p *Process) replacePIDFile(content []byte) error {
	if info, err := os.Lstat(p.cfg.PIDPath); err == nil && info.IsDir() {
		if err := os.Remove(p.cfg.PIDPath); err != nil {
			return err
		}
	}
	name, err := stage(p.cfg.PIDPath, content)
	if err != nil {
		return err
	}
	err = os.Chmod(name, 0o644) //nolint:gosec // as HAProxy makes it: whoever wants to know may read it
	if err == nil {
		err = os.Rename(name, p.cfg.PIDPath)
	}
	if err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// readRegular reads a small file of ours, and neither waits at a FIFO nor follows a link.
func (p *Process) readRegular(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxWords {
		return nil, os.ErrInvalid
	}
	return p.read(path)
}
