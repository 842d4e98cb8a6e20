package e2e_test

import (
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

// BenchmarkCertificateAmongMany adds one certificate to a frontend that has a thousand.
func BenchmarkCertificateAmongMany(b *testing.B) {
	const many = 1000
	e := newEdge(b, `"certificates":["shop"]`)
	names := []string{`"shop"`}
	for i := range many {
		key := fmt.Sprintf("c%d", i)
		e.put(key, key+".example")
		names = append(names, strconv.Quote(key))
	}
	fields := func() string { return `"certificates":[` + strings.Join(names, ",") + "]" }
	begin := time.Now()
	e.frontend(fields())
	b.Logf("adding %d takes %v", many, time.Since(begin))
	before := e.reloads()
	var changes []time.Duration
	for i := range max(b.N, 20) {
		key := fmt.Sprintf("more%d", i)
		serial, _ := e.put(key, key+".example")
		names = append(names, strconv.Quote(key))
		begin := time.Now()
		e.frontend(fields())
		changes = append(changes, time.Since(begin))
		e.serves(key+".example", serial)
	}
	reportPercentiles(b, "add", changes)
	b.ReportMetric(float64(e.reloads()-before), "reloads")
	b.ReportMetric(residentMB(b, e.agent.Process.Pid), "agent-MB")
	b.ReportMetric(residentMB(b, e.master()), "master-MB")
	for _, pid := range childrenOf(b, e.master()) {
		b.ReportMetric(residentMB(b, pid), "worker-MB")
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
