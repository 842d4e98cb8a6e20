package haproxy

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"

	"thalassa/internal/safefile"
)

// OldWorkers is the memory and age of the workers that reloads have replaced.
type OldWorkers struct {
	Count int
	// Memory that they do not share with files, in bytes.
	Memory uint64
	// Reloads that the oldest has seen. HAProxy ends it when they are more than
	// mworker-max-reloads.
	Reloads int
	// MaxReloads is mworker-max-reloads of haproxy.cfg; 0: it does not say.
	MaxReloads int
}

// OldWorkers measures the old workers; the zero value where the master does not answer.
func (p *Process) OldWorkers(ctx context.Context) OldWorkers {
	ctx, cancel := context.WithTimeout(ctx, masterTimeout)
	defer cancel()
	seen, err := p.finder.observe(ctx)
	if err != nil || seen.procs == nil {
		return OldWorkers{}
	}
	var old OldWorkers
	for _, w := range seen.procs.OldWorkers {
		memory, err := memoryOf(w.PID)
		if err != nil {
			continue // it has ended
		}
		old.Count++
		old.Memory += memory
		old.Reloads = max(old.Reloads, w.Reloads)
	}
	if old.Count > 0 {
		if config, err := p.files.installed(); err == nil {
			old.MaxReloads = maxReloads(config)
		}
	}
	return old
}

// maxReloads finds mworker-max-reloads, which only a global section can have.
func maxReloads(config []byte) (most int) {
	for line := range bytes.Lines(config) {
		if fields := bytes.Fields(line); len(fields) > 1 && string(fields[0]) == "mworker-max-reloads" {
			if n, err := strconv.Atoi(string(fields[1])); err == nil {
				most = max(n, 0)
			}
		}
	}
	return most
}

// memoryOf is the resident memory of a process without what it shares with files, in
// bytes (proc_pid_statm(5)).
func memoryOf(pid int) (uint64, error) {
	text, err := safefile.Read("/proc/"+strconv.Itoa(pid)+"/statm", maxProc)
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 3 {
		return 0, fmt.Errorf("statm of process %d has %d fields", pid, len(fields))
	}
	resident, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0, err
	}
	shared, err := strconv.ParseUint(fields[2], 10, 64)
	if err != nil || shared > resident {
		return 0, fmt.Errorf("statm of process %d: %q", pid, text)
	}
	return (resident - shared) * uint64(os.Getpagesize()), nil //nolint:gosec // positive
}
