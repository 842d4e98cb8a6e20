package haproxy

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"syscall"

	"thalassa/internal/safefile"
)

// An identity identifies one process: its id may be used again, but not together with its
// start time.
type identity struct {
	pid  int
	born string // clock ticks after boot; "": /proc hides the process
}

// identify finds the living process with an id; false when there is none. A zombie does
// not count.
func identify(pid int) (identity, bool) {
	stat, err := readStat(pid)
	switch {
	case err == nil:
		return identity{pid, stat.born}, !stat.dead
	case pid > 0 && errors.Is(err, fs.ErrNotExist):
		// With hidepid= only a signal shows it.
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
	data, err := safefile.Read("/proc/"+strconv.Itoa(pid)+"/stat", maxProc)
	if err != nil {
		return procStat{}, err
	}
	// The command may have blanks and parentheses. The third field follows the last
	// parenthesis.
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

// maxProc bounds what is read of a file in /proc or /sys, in bytes: arguments may be long.
const maxProc = 4 << 20
