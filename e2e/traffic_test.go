package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// service registers count instances of a version, each a real web server that
// answers "VERSION-NUMBER".
func service(tb testing.TB, consul *testkit.ConsulAgent, version string, count int) []string {
	tb.Helper()
	lines := make([]string, count)
	for i := range lines {
		lines[i] = fmt.Sprintf("%s-%d", version, i)
		consul.Register(testkit.Instance{
			ID: "shop-" + lines[i], Service: "shop", Port: testkit.StartWeb(tb, lines[i]).Port, Address: "127.0.0.1",
			Meta: map[string]string{"version": version},
		})
	}
	return lines
}

// serving is a node that serves count instances of version 1.0.0, with its Consul.
func serving(tb testing.TB, count int, flags ...string) (*node, *testkit.ConsulAgent) {
	tb.Helper()
	return servingOneOf(tb, count, 0, flags...)
}

// servingOneOf is serving beside next instances of version 1.1.0, which wait for their
// turn.
func servingOneOf(tb testing.TB, count, next int, flags ...string) (*node, *testkit.ConsulAgent) {
	tb.Helper()
	consul := testkit.Consul(tb)
	n := newNode(tb, consul.Address(), flags...)
	n.start()
	lines := service(tb, consul, "1.0.0", count)
	service(tb, consul, "1.1.0", next)
	n.route()
	n.answers(lines...)
	return n, consul
}

func TestRegisteredInstancesGetTrafficAndDeregisteredOnesDoNot(t *testing.T) {
	n, consul := serving(t, 1)
	consul.Register(testkit.Instance{
		ID: "late", Service: "shop", Port: testkit.StartWeb(t, "late").Port, Address: "127.0.0.1", Meta: map[string]string{"version": "1.0.0"},
	})
	n.answers("1.0.0-0", "late")
	consul.Deregister("late")
	n.answers("1.0.0-0")

	consul.Register(testkit.Instance{
		ID: "sick", Service: "shop", Port: testkit.StartWeb(t, "sick").Port, Address: "127.0.0.1", Meta: map[string]string{"version": "1.0.0"},
	})
	n.answers("1.0.0-0", "sick")
	consul.SetStatus("sick", "critical")
	n.answers("1.0.0-0")
}

func TestSwitchThereAndBackUnderLoadLosesNoRequest(t *testing.T) {
	n := stormy(t)
	const requests = 50_000
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 64, Fresh: 64, For: 4 * time.Minute})
	versions := []string{"1.1.0", "1.0.0"}
	for i := 0; i < 8 || load.Result().Requests < requests; i++ {
		answer := n.call(200, http.MethodPost, "/backends/live", fmt.Sprintf(`{"version":%q}`, versions[i%2]))
		if answer["applied"] != true || answer["version"] != versions[i%2] {
			t.Fatalf("the switch was answered %v", answer)
		}
		load.Await((i + 1) * requests / 8)
	}
	r := load.Stop()
	t.Logf("%d requests over %d answers, %d failed", r.Requests, len(r.Count), r.Failed)
	if r.Failed > 0 || r.Requests < requests {
		t.Fatalf("%d of %d requests failed (expected 0 of at least %d): %v", r.Failed, r.Requests, requests, r.Errors)
	}
	if len(r.Count) != 6 {
		t.Fatalf("answers came from %v, expected all six instances", r.Count)
	}
}

func TestSwitchToAVersionWithoutHealthyInstanceChangesNothing(t *testing.T) {
	n, _ := serving(t, 2)
	before := n.config()

	answer := n.call(409, http.MethodPost, "/backends/live", `{"version":"1.0.O"}`)
	if msg := fmt.Sprint(answer["error"]); !strings.Contains(msg, "1.0.O") || !strings.Contains(msg, "1.0.0 (2 of 2 healthy)") {
		t.Errorf("the refusal %q does not name the version asked for and those there are", msg)
	}
	if n.config() != before {
		t.Error("the refused switch changed haproxy.cfg")
	}
	n.answers("1.0.0-0", "1.0.0-1")

	forced := n.call(200, http.MethodPost, "/backends/live", `{"version":"9","force":true}`)
	if forced["applied"] != true {
		t.Errorf("the forced switch was answered %v", forced)
	}
	n.call(200, http.MethodPost, "/backends/live", `{"version":"1.0.0"}`)
	n.answers("1.0.0-0", "1.0.0-1")
}

func TestSwitchWaitsForAnInstance(t *testing.T) {
	n, consul := serving(t, 1)

	done := make(chan string, 1)
	go func() {
		status, body := n.try(http.MethodPost, "/backends/live", `{"version":"2.0.0","wait":"20s"}`)
		done <- fmt.Sprintf("%d %s", status, body)
	}()
	select {
	case answer := <-done:
		t.Fatalf("the switch did not wait: %s", answer)
	case <-time.After(300 * time.Millisecond):
	}
	service(t, consul, "2.0.0", 1)
	if answer := <-done; !strings.HasPrefix(answer, "200 ") {
		t.Fatalf("the switch was answered %s", answer)
	}
	n.answers("2.0.0-0")
}

func TestKilledAgentLosesNoRequestAndTheNextOneAdopts(t *testing.T) {
	n, consul := serving(t, 2)
	master := n.haproxyPID()

	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 16, Fresh: 16, Pause: time.Millisecond})
	for range 3 {
		load.Await(load.Result().Requests + 1000)
		n.signal(syscall.SIGKILL)
		load.Await(load.Result().Requests + 1000)
		n.start()
	}
	if got := n.haproxyPID(); got != master {
		t.Errorf("HAProxy is process %d, expected %d: it was not adopted", got, master)
	}
	service(t, consul, "1.1.0", 1)
	n.call(200, http.MethodPost, "/backends/live", `{"version":"1.1.0","wait":"10s"}`)
	n.answers("1.1.0-0")
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

func TestKilledConsulLosesNoRequest(t *testing.T) {
	n, consul := serving(t, 2)

	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 16, Fresh: 16, Pause: time.Millisecond})
	load.Await(1000)
	consul.Kill()
	testkit.Eventually(t, patience, func() error {
		if _, body := n.try(http.MethodGet, "/activity?filter=discoveryStale", ""); !strings.Contains(body, "shop") {
			return fmt.Errorf("no discoveryStale event: %s", body)
		}
		return nil
	})
	load.Await(load.Result().Requests + 2000)
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
	n.answers("1.0.0-0", "1.0.0-1")
}

func TestLastGoodMembersServeWhenConsulIsAwayAtStart(t *testing.T) {
	n, consul := serving(t, 2)
	n.signal(syscall.SIGKILL)
	consul.Kill()
	if err := syscall.Kill(n.master(), syscall.SIGKILL); err != nil { // as after a reboot
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		if _, err := n.get(); err == nil {
			return errors.New("HAProxy still answers")
		}
		return nil
	})

	begin := time.Now()
	n.startOnly()
	n.answers("1.0.0-0", "1.0.0-1")
	t.Logf("the last good members served after %s", time.Since(begin).Round(time.Millisecond))
	// A switch to what was known then is possible, too.
	testkit.Eventually(t, patience, func() error {
		if status, body := n.try(http.MethodGet, "/readyz", ""); status != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", status, body)
		}
		return nil
	})
}
