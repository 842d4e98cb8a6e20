package haproxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Occupied is how long the threads of a process, all together, have run or have
// waited for a processor to run on (Linux, Documentation/scheduler/sched-stats).
// Unlike the time that HAProxy believes to have idled this tells a HAProxy without
// work from one that gets no processor for it. It is an error where the process does
// not live, or the kernel does not tell.
func Occupied(pid int) (time.Duration, error) {
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/schedstat")
	if err != nil || len(threads) == 0 {
		return 0, fmt.Errorf("process %d has no scheduling statistics", pid)
	}
	total := time.Duration(0)
	for _, path := range threads {
		text, err := os.ReadFile(path)
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
