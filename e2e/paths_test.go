package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// TestLostControlPathsUnderLoad takes HAProxy's sockets and its pid file away, one after
// another and all at once, while versions are switched: each switch is applied, no request
// fails, the agent says what is lost, and has it back soon, with the HAProxy that it had.
func TestLostControlPathsUnderLoad(t *testing.T) {
	n, consul := serving(t, 2)
	service(t, consul, "1.1.0", 2)
	paths := map[string]string{"stats": n.path("h.sock"), "pid": n.path("h.pid"), "peers": n.path("haproxy.peers.sock"), "master": n.path("haproxy.master.sock")}
	master := n.master()
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: time.Millisecond, For: 4 * time.Minute})
	versions := []string{"1.1.0", "1.0.0"}
	switches := 0
	deploy := func() {
		answer := n.call(200, http.MethodPost, "/backends/live", fmt.Sprintf(`{"version":%q,"wait":"20s"}`, versions[switches%2]))
		if answer["applied"] != true {
			t.Errorf("switch %d was answered %v", switches, answer)
		}
		switches++
	}
	for i, lost := range [][]string{{"stats"}, {"master"}, {"pid"}, {"peers"}, {"stats", "master", "pid", "peers"}} {
		for _, name := range lost {
			if err := os.Remove(paths[name]); err != nil {
				t.Fatal(err)
			}
		}
		deploy()
		if status, body := n.try(http.MethodGet, "/healthz", ""); status != http.StatusOK {
			t.Errorf("without %q /healthz says %d %s", lost, status, body)
		}
		if i > 0 { // the agent's own reload for another loss is some time away
			if len(lost) == 1 && lost[0] != "pid" { // without any the switch was a reload
				testkit.Eventually(t, patience, func() error {
					if status, body := n.try(http.MethodGet, "/readyz", ""); status != http.StatusOK || !strings.Contains(body, paths[lost[0]]) {
						return fmt.Errorf("without %q /readyz says %d %s", lost, status, body)
					}
					return nil
				})
			}
			n.call(200, http.MethodPut, "/backends/more", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, 1000+i))
		}
		testkit.Eventually(t, patience, func() error {
			status, body := n.try(http.MethodGet, "/readyz", "")
			if status != http.StatusOK || strings.Contains(body, "lost") {
				return fmt.Errorf("without %q /readyz says %d %s", lost, status, body)
			}
			for name, path := range paths {
				if _, err := os.Lstat(path); err != nil {
					return fmt.Errorf("the %s path: %w", name, err)
				}
			}
			return nil
		})
		deploy()
		if got := n.master(); got != master {
			t.Errorf("without %q HAProxy %d became %d", lost, master, got)
		}
	}
	testkit.Eventually(t, patience, func() error {
		_, events := n.try(http.MethodGet, "/activity", "")
		if !strings.Contains(events, "controlPathLost") || !strings.Contains(events, "controlPathRegained") {
			return fmt.Errorf("the activity says %s", events)
		}
		if strings.Contains(events, "haproxyExited") {
			t.Fatalf("the activity says %s", events)
		}
		return nil
	})
	if r := load.Stop(); r.Failed > 0 {
		t.Errorf("%d of %d requests failed: %q", r.Failed, r.Requests, r.Errors)
	} else {
		t.Logf("%d requests, %d switches", r.Requests, switches)
	}
}
