package statsock

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Processes is the master and its workers (show proc).
type Processes struct {
	Master Process
	// Workers are of the present configuration: one, or none while it starts.
	// After a failed reload HAProxy up to 3.0 still counts the worker that
	// serves here, 3.1 and later under OldWorkers.
	Workers []Process
	// OldWorkers belong to earlier configurations and are ending, except after
	// a failed reload (see Workers).
	OldWorkers []Process
	// Failed counts the reloads that have failed since the last successful one.
	Failed int
}

// A Process is one line of show proc.
type Process struct {
	PID int
	// Reloads of the master since its start; of a worker, how many it has seen.
	Reloads int
	Uptime  time.Duration // whole seconds
	Version string
}

// PIDs lists the process ids of all workers, the present ones first.
func (p Processes) PIDs() []int {
	pids := make([]int, 0, len(p.Workers)+len(p.OldWorkers))
	for _, w := range p.Workers {
		pids = append(pids, w.PID)
	}
	for _, w := range p.OldWorkers {
		pids = append(pids, w.PID)
	}
	return pids
}

// Present reports whether a process is a worker of the present configuration.
func (p Processes) Present(pid int) bool {
	return slices.ContainsFunc(p.Workers, func(w Process) bool { return w.PID == pid })
}

// parseProcesses reads the table of show proc: a heading for each group, then
// lines of pid, type, reloads, uptime and version. Programs are skipped.
func parseProcesses(text string) (Processes, error) {
	var procs Processes
	group := "master"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "#"); ok {
			if !strings.HasPrefix(heading, "<") { // the table's own heading
				group = strings.TrimSpace(heading)
			}
			continue
		}
		if line == "" || strings.HasSuffix(group, "programs") {
			continue
		}
		if err := procs.add(group, line); err != nil {
			return Processes{}, err
		}
	}
	if procs.Master.PID == 0 {
		return Processes{}, refusal(text)
	}
	return procs, nil
}

func (p *Processes) add(group, line string) error {
	line, failed, err := cutFailed(line)
	if err != nil {
		return err
	}
	proc, err := parseProcess(line)
	if err != nil {
		return fmt.Errorf("line %q: %w", line, err)
	}
	switch group {
	case "master":
		p.Master, p.Failed = proc, failed
	case "workers":
		p.Workers = append(p.Workers, proc)
	case "old workers":
		p.OldWorkers = append(p.OldWorkers, proc)
	}
	return nil
}

// cutFailed takes "[failed: n]" out of the master's line.
func cutFailed(line string) (rest string, failed int, err error) {
	before, after, ok := strings.Cut(line, "[failed: ")
	if !ok {
		return line, 0, nil
	}
	digits, after, ok := strings.Cut(after, "]")
	if !ok {
		return "", 0, fmt.Errorf("line %q: failed reloads have no end", line)
	}
	if failed, err = strconv.Atoi(digits); err != nil {
		return "", 0, fmt.Errorf("line %q: failed reloads: %w", line, err)
	}
	return before + after, failed, nil
}

func parseProcess(line string) (Process, error) {
	fields := strings.Fields(line)
	if len(fields) != 5 {
		return Process{}, fmt.Errorf("has %d columns, expected 5", len(fields))
	}
	var proc Process
	var err error
	if proc.PID, err = strconv.Atoi(fields[0]); err != nil || proc.PID <= 0 {
		return Process{}, errors.New("has no process id")
	}
	if proc.Reloads, err = strconv.Atoi(fields[2]); err != nil {
		return Process{}, fmt.Errorf("reloads: %w", err)
	}
	if proc.Uptime, err = parseUptime(fields[3]); err != nil {
		return Process{}, fmt.Errorf("uptime: %w", err)
	}
	proc.Version = fields[4]
	return proc, nil
}

// parseUptime reads "1d02h03m04s".
func parseUptime(s string) (time.Duration, error) {
	days, rest, ok := strings.Cut(s, "d")
	n, err := strconv.Atoi(days)
	if !ok || err != nil || n < 0 || n > 1<<16 {
		return 0, fmt.Errorf("%q is not of the form 1d02h03m04s", s)
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is not of the form 1d02h03m04s", s)
	}
	return time.Duration(n)*24*time.Hour + d, nil
}
