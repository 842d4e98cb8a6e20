package e2e_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// pace keeps an iteration's reloads within the agent's default rate, as single
// changes are in life.
const pace = 600 * time.Millisecond

// samples is how many changes a benchmark of a node measures. One run of them
// takes longer than any -benchtime, so that b.N stays 1.
const samples = 60

// quantiles reports the median and the 99th percentile of samples.
func quantiles(b *testing.B, name string, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	ms := func(q float64) float64 {
		i := min(int(q*float64(len(took))), len(took)-1)
		return float64(took[i].Microseconds()) / 1000
	}
	b.ReportMetric(ms(0.5), name+"-p50-ms")
	b.ReportMetric(ms(0.99), name+"-p99-ms")
}

// residentMB is the agent's resident memory.
func (n *node) residentMB() float64 {
	n.tb.Helper()
	return float64(procStatus(n.tb, n.agent.Process.Pid, "VmRSS")) / 1024
}

// reloads counts the agent's reloads of HAProxy.
func (n *node) reloads() int {
	n.tb.Helper()
	_, events := n.try(http.MethodGet, "/activity?filter=haproxyReloaded&limit=1000", "")
	return strings.Count(events, `"haproxyReloaded"`)
}

// report adds what every benchmark of a node tells.
func (n *node) report(b *testing.B, reloadsBefore int, load testkit.LoadResult) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // the time of the whole is its pace
	b.ReportMetric(float64(n.reloads()-reloadsBefore), "reloads")
	b.ReportMetric(float64(load.Requests), "requests")
	b.ReportMetric(float64(load.Failed), "failed")
	b.ReportMetric(n.residentMB(), "agent-MB")
	if load.Failed > 0 {
		b.Logf("failures: %v", load.Errors)
	}
}

// BenchmarkSwitch measures the time from posting a version to the answer, and to
// the last request that the old version answered, under load.
func BenchmarkSwitch(b *testing.B) {
	n := stormy(b)
	before := n.reloads()
	load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 16, Fresh: 16, Pause: time.Millisecond, For: 10 * time.Minute})
	versions := []string{"1.1.0", "1.0.0"}
	answered, last := make([]time.Duration, 0, samples), make([]time.Duration, 0, samples)
	for i := range samples {
		begin := time.Now()
		n.call(200, http.MethodPost, "/backends/live", fmt.Sprintf(`{"version":%q}`, versions[i%2]))
		answered = append(answered, time.Since(begin))
		<-time.After(pace)
		old := begin
		for line, at := range load.Result().Last {
			if strings.HasPrefix(line, versions[(i+1)%2]) && at.After(old) {
				old = at
			}
		}
		last = append(last, old.Sub(begin))
	}
	result := load.Stop()
	quantiles(b, "switch-answer", answered)
	quantiles(b, "switch-last-old-request", last)
	n.report(b, before, result)
}
