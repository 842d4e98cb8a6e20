package haproxy

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"thalassa/internal/safefile"
)

// Occupied is the total time that the threads of a process have run or waited for a CPU (Linux,
// Documentation/scheduler/sched-stats). Unlike HAProxy's own idle time, it distinguishes a HAProxy
// without work from one that gets no CPU. It is an error if the process has ended, or the kernel
// has no such statistics.
func Occupied(pid int) (time.Duration, error) {
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	if err != nil || len(threads) == 0 {
		return 0, fmt.Errorf("process %d has no scheduling statistics", pid)
	}
	total := time.Duration(0)
	for _, path := range threads {
		text, err := safefile.Read(path, maxProc)
		if err != nil {
			return 0, fmt.Errorf("reading scheduling statistics: %w", err)
		}
		fields := strings.Fields(string(text))
		if len(fields) < 2 {
			return 0, fmt.Errorf("%s has %d fields", path, len(fields))
		}
		for _, field := range fields[:2] { // ran and waited
			ns, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%s: %w", path, err)
			}
			total += time.Duration(ns)
		}
	}
	return total, nil
}
