package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// BenchmarkApply measures `thalassa apply` of 1,000 static backends with 10,000 members and
// a frontend that leads to one of them, under load: the first time, and the same file again,
// which is no change.
func BenchmarkApply(b *testing.B) {
	n, _ := serving(b, 2, "--haproxy-maxconn", "500") // HAProxy wants a file descriptor for each check
	file := n.path("many.yaml")
	if err := os.WriteFile(file, manyBackends(b), 0o600); err != nil {
		b.Fatal(err)
	}
	s := n.shell("")
	before := n.reloads()
	load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: 5 * time.Millisecond, For: 10 * time.Minute})
	load.Await(100)
	begin := time.Now()
	s.run(0, "", "apply", "-f", file)
	b.ReportMetric(time.Since(begin).Seconds()*1000, "apply-ms")
	begin = time.Now()
	again, _ := s.run(0, "", "apply", "-f", file)
	b.ReportMetric(time.Since(begin).Seconds()*1000, "again-ms")
	if !strings.Contains(again, "no change") {
		b.Errorf("the same file again: %.300s", again)
	}
	<-time.After(time.Second)
	n.report(b, before, load.Stop())
	if in := strings.Count(n.config(), "\nbackend many-"); in != manyServices {
		b.Errorf("haproxy.cfg has %d of the backends", in)
	}
}

// manyBackends is a file of manyServices static backends, with manyInstances members each.
func manyBackends(tb testing.TB) []byte {
	tb.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "frontends:\n  many: {bind: \"127.0.0.1:%d\", backend: many-0}\nbackends:\n", testkit.Ports(tb, 1)[0])
	port := testkit.StartWeb(tb, "many").Port
	for i := range manyServices {
		fmt.Fprintf(&text, "  many-%d:\n    type: static\n    health: {interval: 3600000}\n    members:\n", i)
		for j := range manyInstances {
			fmt.Fprintf(&text, "      - {host: 127.0.%d.%d, port: %d}\n", i/200, 1+i%200+j, port)
		}
	}
	return []byte(text.String())
}

// BenchmarkParallelPuts measures 200 backends that are put at the same time, from the first
// request to the last answer.
func BenchmarkParallelPuts(b *testing.B) {
	n, _ := serving(b, 2)
	before := n.reloads()
	load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: 5 * time.Millisecond, For: 10 * time.Minute})
	load.Await(100)
	begin := time.Now()
	var puts sync.WaitGroup
	for i := range 200 {
		puts.Go(func() {
			status, answer := n.try(http.MethodPut, fmt.Sprintf("/backends/parallel-%d", i), `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
			if status != http.StatusOK || !strings.Contains(answer, `"applied":true`) {
				b.Errorf("PUT %d: %d %s", i, status, answer)
			}
		})
	}
	puts.Wait()
	b.ReportMetric(time.Since(begin).Seconds()*1000, "puts-ms")
	n.report(b, before, load.Stop())
}
