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
func (ms *members) all() []identity {
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
		if err != nil || !ms.includes(pid) {
			continue
		}
		if theirs, err := os.Readlink(filepath.Join(filepath.Dir(path), "ns/pid")); err != nil || theirs != space {
			continue
		}
		id, ok := identify(pid)
		stat, err := readStat(pid)
		switch {
		case !ok || err != nil:
		case ms.includes(stat.parent):
			workers = append(workers, id)
		default:
			masters = append(masters, id)
		}
	}
	return append(masters, workers...)
}

// masterByCommand finds the only master that was started with our master socket; false
// when there are several.
func (ms *members) masterByCommand() (identity, bool) {
	var masters []identity
	for _, id := range ms.all() {
		stat, err := readStat(id.pid)
		// A worker whose master was killed looks like one, but has no children.
		if err == nil && !ms.includes(stat.parent) && len(children(id.pid)) > 0 {
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
func (ms *members) masterByPIDFile() (identity, bool) {
	data, err := ms.files.readSmall(ms.cfg.PIDPath)
	if err != nil {
		return identity{}, false
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil || !ms.includes(pid) {
		return identity{}, false
	}
	return identify(pid)
}

// of lists a living master with its children, and all other processes with our master
// socket. A master that is not this HAProxy is an error; neither it nor its children are
// listed.
func (ms *members) of(master identity) ([]member, error) {
	var members []member
	var stranger error
	if master.alive() {
		if stranger = ms.verifyNamed(master); stranger == nil {
			members = append(members, member{identity: master})
			members = append(members, children(master.pid)...)
		}
	}
	for _, id := range ms.all() {
		if !slices.ContainsFunc(members, func(m member) bool { return m.identity == id }) {
			members = append(members, member{identity: id})
		}
	}
	return members, stranger
}

// startedMembers lists a child of this program that has not ended, with its children:
// HAProxy, or sudo and HAProxy.
func startedMembers(c *child) []member {
	if !isChild(c.pid, os.Getpid()) {
		return nil
	}
	id, ok := identify(c.pid)
	if !ok {
		return nil
	}
	return append([]member{{identity: id, child: true}}, children(c.pid)...)
}

// children lists the living children of a process.
func children(pid int) []member {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil // the pattern is right
	}
	var members []member
	for _, path := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || !isChild(child, pid) {
			continue
		}
		if id, ok := identify(child); ok {
			members = append(members, member{identity: id, child: true})
		}
	}
	return members
}
