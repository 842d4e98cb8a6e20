package e2e_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// procStatus is a number of /proc/PID/status; memory is in kB.
func procStatus(tb testing.TB, pid int, field string) int {
	tb.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		tb.Fatal(err)
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			number, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				tb.Fatal(err)
			}
			return number
		}
	}
	tb.Fatalf("/proc/%d/status has no %s", pid, field)
	return 0
}

// openFiles counts the file descriptors of a process.
func openFiles(tb testing.TB, pid int) int {
	tb.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		tb.Fatal(err)
	}
	return len(files)
}

// A gauge is what a node uses. Memory is what no file stands behind, in MB: a
// process's own.
type gauge struct {
	agentMB, agentFiles, agentThreads int
	masterMB, masterFiles             int
	workerMB, workerFiles             int
}

// measure waits until old workers have ended.
func (n *node) measure() gauge {
	n.tb.Helper()
	var worker, master int
	testkit.Eventually(n.tb, 2*patience, func() error {
		procs, err := statsock.NewMaster(n.path("haproxy.master.sock")).ShowProc(n.tb.Context())
		if err == nil && (len(procs.OldWorkers) > 0 || len(procs.Workers) != 1) {
			err = fmt.Errorf("%d workers and %d old ones", len(procs.Workers), len(procs.OldWorkers))
		}
		if err == nil {
			worker, master = procs.Workers[0].PID, procs.Master.PID
		}
		return err
	})
	agent := n.agent.Process.Pid
	own := func(pid int) int { return procStatus(n.tb, pid, "RssAnon") / 1024 }
	return gauge{
		agentMB: own(agent), agentFiles: openFiles(n.tb, agent), agentThreads: procStatus(n.tb, agent, "Threads"),
		masterMB: own(master), masterFiles: openFiles(n.tb, master),
		workerMB: own(worker), workerFiles: openFiles(n.tb, worker),
	}
}

func (g gauge) String() string {
	return fmt.Sprintf("agent %d MB, %d files, %d threads; master %d MB, %d files; worker %d MB, %d files",
		g.agentMB, g.agentFiles, g.agentThreads, g.masterMB, g.masterFiles, g.workerMB, g.workerFiles)
}

// growth compares gauges over time: what leaks is higher at its lowest, towards
// the end, than it was at its highest in the beginning. The allowance is for what
// comes and goes.
func growth(gauges []gauge) error {
	third := len(gauges) / 3
	if third == 0 {
		return fmt.Errorf("only %d measurements", len(gauges))
	}
	for _, c := range []struct {
		name      string
		allowance int
		of        func(gauge) int
	}{
		{"MB of the agent", 8, func(g gauge) int { return g.agentMB }},
		{"files of the agent", 5, func(g gauge) int { return g.agentFiles }},
		{"threads of the agent", 8, func(g gauge) int { return g.agentThreads }},
		{"MB of HAProxy's master", 4, func(g gauge) int { return g.masterMB }},
		{"files of HAProxy's master", 5, func(g gauge) int { return g.masterFiles }},
		{"MB of HAProxy's worker", 8, func(g gauge) int { return g.workerMB }},
		{"files of HAProxy's worker", 20, func(g gauge) int { return g.workerFiles }},
	} {
		first, last := c.of(gauges[0]), c.of(gauges[len(gauges)-1])
		for i := range third {
			first = max(first, c.of(gauges[i]))
			last = min(last, c.of(gauges[len(gauges)-1-i]))
		}
		if last > first+c.allowance {
			return fmt.Errorf("%d %s became %d", first, c.name, last)
		}
	}
	return nil
}

func TestGrowthIsFound(t *testing.T) {
	noise := []gauge{{agentFiles: 10}, {agentFiles: 30}, {agentFiles: 12}, {agentFiles: 11}, {agentFiles: 31}, {agentFiles: 12}}
	if err := growth(noise); err != nil {
		t.Errorf("what comes and goes is taken for growth: %v", err)
	}
	var leak []gauge
	for i := range 9 {
		leak = append(leak, gauge{agentFiles: 10 + 2*i})
	}
	if err := growth(leak); err == nil || !strings.Contains(err.Error(), "files of the agent") {
		t.Errorf("16 files more are not found: %v", err)
	}
	if growth(noise[:2]) == nil {
		t.Error("two measurements pass for a proof")
	}
}
