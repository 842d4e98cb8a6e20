package haproxy

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// all finds the processes that were started with our master socket, masters first.
// Processes in another process-id namespace are left out.
func (ps *ownProcesses) all() []identity {
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
		if err != nil || !ps.includes(pid) {
			continue
		}
		if theirs, err := os.Readlink(filepath.Join(filepath.Dir(path), "ns/pid")); err != nil || theirs != space {
			continue
		}
		id, ok := identify(pid)
		stat, err := readStat(pid)
		switch {
		case !ok || err != nil:
		case ps.includes(stat.parent):
			workers = append(workers, id)
		default:
			masters = append(masters, id)
		}
	}
	return append(masters, workers...)
}

// masterByCommand finds the only master that was started with our master socket; false
// when there are several.
func (ps *ownProcesses) masterByCommand() (identity, bool) {
	var masters []identity
	for _, id := range ps.all() {
		stat, err := readStat(id.pid)
		// A worker whose master was killed looks like one, but has no children.
		if err == nil && !ps.includes(stat.parent) && len(children(id.pid)) > 0 {
			masters = append(masters, id)
		}
	}
	if len(masters) != 1 {
		return identity{}, false
	}
	return masters[0], true
}

// masterByPIDFile is the living master that HAProxy's pid file names. The process is
// verified: the file outlives HAProxy, and another process may have the id by now.
func (ps *ownProcesses) masterByPIDFile() (identity, bool) {
	data, err := ps.files.readSmall(ps.cfg.PIDPath)
	if err != nil {
		return identity{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || !ps.includes(pid) {
		return identity{}, false
	}
	return identify(pid)
}

// of lists a living master with its children, and all other processes with our master
// socket. A master that is not this HAProxy is an error; neither it nor its children are
// listed.
func (ps *ownProcesses) of(master identity) ([]ownProcess, error) {
	var own []ownProcess
	var stranger error
	if master.alive() {
		if stranger = ps.verifyNamed(master); stranger == nil {
			own = append(own, ownProcess{identity: master})
			own = append(own, children(master.pid)...)
		}
	}
	for _, id := range ps.all() {
		if !slices.ContainsFunc(own, func(p ownProcess) bool { return p.identity == id }) {
			own = append(own, ownProcess{identity: id})
		}
	}
	return own, stranger
}

// startedProcesses lists a child of this program that has not ended, with its children:
// HAProxy, or sudo and HAProxy.
func startedProcesses(c *child) []ownProcess {
	if !isChild(c.pid, os.Getpid()) {
		return nil
	}
	id, ok := identify(c.pid)
	if !ok {
		return nil
	}
	return append([]ownProcess{{identity: id, child: true}}, children(c.pid)...)
}

// children lists the living children of a process.
func children(pid int) []ownProcess {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil // the pattern is right
	}
	var found []ownProcess
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || !isChild(child, pid) {
			continue
		}
		if id, ok := identify(child); ok {
			found = append(found, ownProcess{identity: id, child: true})
		}
	}
	return found
}
