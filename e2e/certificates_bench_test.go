package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// BenchmarkCertificateSwap replaces a certificate under TLS load, with each HAProxy that is at
// hand: how long the change takes, and how long after its answer the first client gets the new
// one.
func BenchmarkCertificateSwap(b *testing.B) {
	for _, binary := range testkit.HAProxies(b) {
		b.Run(binary.Version, func(b *testing.B) {
			releases.Store(b.Name(), binary.Path)
			e := newEdge(b, `"certificates":["shop"]`)
			before, stop := e.reloads(), e.load("shop.example")
			var changes, delays []time.Duration
			for range max(b.N, 50) {
				pair := e.ca.Issue(b, "shop.example")
				body, begin := pair.Body(), time.Now()
				answer := e.call(200, http.MethodPut, "/certificates/shop", body)
				answered := time.Now()
				for e.served("shop.example") != pair.Leaf.SerialNumber.Text(16) {
					if time.Since(answered) > patience {
						b.Fatalf("not served: %v", answer)
					}
				}
				changes, delays = append(changes, answered.Sub(begin)), append(delays, time.Since(answered))
			}
			requests := stop()
			b.ReportMetric(float64(requests), "requests")
			b.ReportMetric(float64(e.reloads()-before), "reloads")
			reportPercentiles(b, "change", changes)
			reportPercentiles(b, "served", delays)
		})
	}
}

// BenchmarkCertificateAmongMany adds one certificate to a frontend that has a thousand. On a busy
// machine the CPU time of an addition says more than its duration.
func BenchmarkCertificateAmongMany(b *testing.B) {
	const many, atOnce = 1000, 250
	e := newEdge(b, `"certificates":["shop"]`)
	more := max(b.N, 20)
	names, edits := []string{`"shop"`}, []any{}
	var serials []string
	for i := range many + more {
		key := fmt.Sprintf("c%d", i)
		pair := e.ca.Issue(b, key+".example")
		names, serials = append(names, strconv.Quote(key)), append(serials, pair.Leaf.SerialNumber.Text(16))
		edits = append(edits, map[string]any{
			"method": "PUT", "path": "/certificates/" + key, "body": map[string]string{"chain": pair.Chain, "key": pair.Key},
		})
	}
	for some := range slices.Chunk(edits, atOnce) {
		body, err := json.Marshal(map[string]any{"edits": some})
		if err != nil {
			b.Fatal(err)
		}
		e.call(200, http.MethodPost, "/changes", string(body))
	}
	fields := func(n int) string { return `"certificates":[` + strings.Join(names[:n], ",") + "]" }
	begin := time.Now()
	e.frontend(fields(1 + many))
	b.Logf("adding %d takes %v", many, time.Since(begin))
	worker := childrenOf(b, e.master())[0]
	reloads, ofAgent, ofWorker := e.reloads(), e.cpuTime(), processTime(b, worker)
	var changes []time.Duration
	for i := range more {
		begin := time.Now()
		e.frontend(fields(1 + many + i + 1))
		changes = append(changes, time.Since(begin))
	}
	perChange := func(used time.Duration) float64 { return float64(used.Microseconds()) / 1000 / float64(more) }
	b.ReportMetric(perChange(e.cpuTime()-ofAgent), "agent-cpu-ms")
	b.ReportMetric(perChange(processTime(b, worker)-ofWorker), "worker-cpu-ms")
	reportPercentiles(b, "add", changes)
	b.ReportMetric(float64(e.reloads()-reloads), "reloads")
	b.ReportMetric(residentMB(b, e.agent.Process.Pid), "agent-MB")
	b.ReportMetric(residentMB(b, e.master()), "master-MB")
	b.ReportMetric(residentMB(b, worker), "worker-MB")
	for i, serial := range serials {
		e.serves(fmt.Sprintf("c%d.example", i), serial)
	}
}

func reportPercentiles(b *testing.B, what string, all []time.Duration) {
	b.Helper()
	slices.Sort(all)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	b.ReportMetric(ms(all[len(all)/2]), what+"-p50-ms")
	b.ReportMetric(ms(all[(len(all)*99-1)/100]), what+"-p99-ms")
}

func residentMB(b *testing.B, pid int) float64 {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(data))[1])
	if err != nil {
		b.Fatal(err)
	}
	return float64(pages*os.Getpagesize()) / (1 << 20)
}

func childrenOf(b *testing.B, pid int) (out []int) {
	b.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		b.Fatal(err)
	}
	for word := range strings.FieldsSeq(string(data)) {
		child, err := strconv.Atoi(word)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, child)
	}
	return out
}
