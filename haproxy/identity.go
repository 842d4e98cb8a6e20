package haproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// An identity names one process for good: a process id is used again one day,
// together with the time of the process's start it is not.
type identity struct {
	pid  int
	born string // clock ticks after boot; "" when /proc is hidden from us
}

// identify finds the living process with this id; false when there is none. A
// zombie does not live.
func identify(pid int) (identity, bool) {
	stat, err := readStat(pid)
	switch {
	case err == nil:
		return identity{pid, stat.born}, !stat.dead
	case pid > 0 && errors.Is(err, fs.ErrNotExist):
		// With hidepid= only the signal tells.
		err := syscall.Kill(pid, 0)
		return identity{pid: pid}, err == nil || errors.Is(err, syscall.EPERM)
	}
	return identity{}, false
}

// alive reports whether this very process still runs.
func (id identity) alive() bool {
	if id.pid <= 0 {
		return false
	}
	now, ok := identify(id.pid)
	return ok && now == id
}

// A procStat is what /proc/<pid>/stat says (proc_pid_stat(5)).
type procStat struct {
	dead   bool // zombie, or being removed
	parent int
	born   string
}

func readStat(pid int) (procStat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, err
	}
	// The name of the command may hold blanks and parentheses; all after the
	// last one is numbers, beginning with the third field.
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 20 {
		return procStat{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	parent, err := strconv.Atoi(fields[1])
	if err != nil {
		return procStat{}, fmt.Errorf("/proc/%d/stat: parent: %w", pid, err)
	}
	state := fields[0]
	return procStat{dead: state == "Z" || state == "X" || state == "x", parent: parent, born: fields[19]}, nil
}

// ours finds the processes that were started with our master socket, masters
// first. Those in a container may have the same words and are another's.
func (p *Process) ours() []identity {
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return nil
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return nil // the pattern is right
	}
	var masters, workers []identity
	for _, path := range lines {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || !p.isOurs(pid) {
			continue
		}
		if theirs, err := os.Readlink(filepath.Join(filepath.Dir(path), "ns/pid")); err != nil || theirs != space {
			continue
		}
		id, ok := identify(pid)
		stat, err := readStat(pid)
		switch {
		case !ok || err != nil:
		case p.isOurs(stat.parent):
			workers = append(workers, id)
		default:
			masters = append(masters, id)
		}
	}
	return append(masters, workers...)
}

// masterByCommand finds the master among the processes that were started with our
// master socket. Several of them are nobody's to choose from.
func (p *Process) masterByCommand() (identity, bool) {
	var masters []identity
	for _, id := range p.ours() {
		stat, err := readStat(id.pid)
		// A worker whose master was killed looks like one, but has no children.
		if err == nil && !p.isOurs(stat.parent) && len(children(id.pid)) > 0 {
			masters = append(masters, id)
		}
	}
	if len(masters) != 1 {
		return identity{}, false
	}
	return masters[0], true
}

// isChild reports whether a process is a child of another.
func isChild(pid, parent int) bool {
	stat, err := readStat(pid)
	return err == nil && parent > 0 && stat.parent == parent
}

// pidFile is the master that HAProxy's pid file names, when it lives and is
// ours: the file outlives HAProxy, and its number may belong to another process
// by now.
func (p *Process) pidFile() (identity, bool) {
	data, err := p.readRegular(p.cfg.PIDPath)
	if err != nil {
		return identity{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || !p.isOurs(pid) {
		return identity{}, false
	}
	return identify(pid)
}
