package e2e_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// weather is a number of reloads and switches under load.
type weather struct{ reloads, switches, clients int }

// storm reloads and switches, evenly mixed, while as many clients keep their
// connections as open a new one for each request. It returns what they saw.
func (n *node) storm(w weather) testkit.LoadResult {
	n.tb.Helper()
	load := testkit.StartLoad(n.tb, testkit.LoadConfig{Address: n.address(), KeepAlive: w.clients, Fresh: w.clients, For: 10 * time.Minute})
	load.Await(20 * w.clients)
	versions := []string{"1.1.0", "1.0.0"}
	before, done := n.masterReloads(), 0
	for i := range w.switches {
		n.call(200, http.MethodPost, "/backends/live", fmt.Sprintf(`{"version":%q}`, versions[i%2]))
		for ; done*w.switches < (i+1)*w.reloads; done++ {
			n.call(200, http.MethodPut, "/backends/other", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, 1+done))
		}
		load.Await(load.Result().Requests + 10*w.clients)
	}
	if got := n.masterReloads() - before; got < w.reloads {
		n.tb.Errorf("HAProxy counts %d reloads, expected %d", got, w.reloads)
	}
	return load.Stop()
}

// stormy is a node with two versions of three instances each.
func stormy(tb testing.TB) *node {
	tb.Helper()
	n, _ := servingOneOf(tb, 3, 3)
	return n
}

// TestReloadsAndSwitchesUnderLoad is the short form of BenchmarkStorm.
func TestReloadsAndSwitchesUnderLoad(t *testing.T) {
	n := stormy(t)
	r := n.storm(weather{reloads: 6, switches: 30, clients: 32})
	t.Logf("%d requests, %d failed", r.Requests, r.Failed)
	if r.Failed > 0 {
		t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
	if len(r.Count) != 6 {
		t.Errorf("answers came from %v, expected all six instances", r.Count)
	}
}

// BenchmarkStorm counts the requests that fail under 30 reloads and 150 switches.
func BenchmarkStorm(b *testing.B) {
	n := stormy(b)
	before := n.reloads()
	r := n.storm(weather{reloads: 30, switches: 150, clients: 64})
	n.report(b, before, r)
	if r.Failed > 0 {
		b.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}
