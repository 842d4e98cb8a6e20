package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// BenchmarkSwitch100 measures a switch of a backend of a hundred servers to as many
// others, the first one included, under load, with each release of HAProxy: the
// time from the request to its answer, when new requests go to the new version.
func BenchmarkSwitch100(b *testing.B) { benchmarkSwitch100(b, 100) }

// BenchmarkSwitchAdded100 is BenchmarkSwitch100 for a backend that began with three
// servers: HAProxy has got all other lines while it runs.
func BenchmarkSwitchAdded100(b *testing.B) { benchmarkSwitch100(b, 3) }

// benchmarkSwitch100 measures it for a backend that begins with a number of servers.
func benchmarkSwitch100(b *testing.B, first int) {
	b.Helper()
	for _, binary := range testkit.HAProxies(b) {
		b.Run(binary.Version, func(b *testing.B) {
			const servers, switches = 100, 40
			consul := testkit.Consul(b)
			n := newNode(b, consul.Address(), "--haproxy-binary", binary.Path)
			n.start()
			f := newFleet(b, consul)
			versions := [2][]string{}
			for i := range servers {
				for v := range versions {
					versions[v] = append(versions[v], fmt.Sprintf("%d-%d", v, i))
				}
			}
			f.come(1, versions[0][:first]...)
			n.call(200, "PUT", "/backends/live", `{"type":"dynamic","name":"shop","version":"0"}`)
			n.call(200, "PUT", "/frontends/web", fmt.Sprintf(`{"bind":%q,"backend":"live"}`, n.address()))
			n.settles(f, versions[0][:first]...)
			before := n.reloads()
			f.come(1, versions[0][first:]...)
			n.settles(f, versions[0]...)
			f.come(1, versions[1]...) // and the agent has no part in that
			load := testkit.StartLoad(b, testkit.LoadConfig{Address: n.address(), KeepAlive: 4, Fresh: 4, Pause: 20 * time.Millisecond, For: 10 * time.Minute})
			took := make([]time.Duration, 0, switches)
			for i := range switches {
				<-time.After(pace)
				to := 1 - i%2
				body := fmt.Sprintf(`{"version":"%d","wait":"10s"}`, to)
				begin := time.Now()
				n.call(200, "POST", "/backends/live", body)
				took = append(took, time.Since(begin))
				n.settles(f, versions[to]...)
			}
			quantiles(b, "switch", took)
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "switch-worst-ms")
			n.report(b, before, load.Stop())
		})
	}
}
