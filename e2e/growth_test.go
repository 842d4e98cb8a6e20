package e2e_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// TestGrowthFrom3To300: a backend gets a hundred times as many instances under load, is
// found by the next agent, and switches to as many others. HAProxy is never reloaded.
func TestGrowthFrom3To300(t *testing.T) {
	for _, binary := range testkit.HAProxies(t) {
		t.Run(binary.Version, func(t *testing.T) {
			const most = 300
			all := make([]string, most)
			for i := range all {
				all[i] = fmt.Sprintf("1-%03d", i)
			}
			n, f := sailingOn(t, binary.Path, all[:3]...)
			load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 4, Fresh: 4, Pause: 5 * time.Millisecond, For: 5 * time.Minute})
			n.withoutReload(func() {
				for from, to := 3, 0; from < most; from = to {
					to = min(2*from+1, most)
					f.come(1, all[from:to]...)
					n.agrees(f, all[:to]...)
				}
				n.signal(syscall.SIGKILL)
				f.leave(all[:60]...) // while no agent runs
				n.start()
				n.agrees(f, all[60:]...)
				f.come(1, "2-a", "2-b")
				if path := n.deploy("2"); path != "runtime" {
					t.Errorf("the switch took the path %s", path)
				}
				n.agrees(f, "2-a", "2-b")
				if path := n.deploy("1"); path != "runtime" {
					t.Errorf("the switch back took the path %s", path)
				}
				n.agrees(f, all[60:]...)
			})
			r := load.Stop()
			n.settles(f, all[60:]...)
			if r.Failed > 0 || r.Requests < 1000 {
				t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
			}
			t.Logf("%d requests", r.Requests)
		})
	}
}
