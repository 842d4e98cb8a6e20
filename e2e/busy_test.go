package e2e_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"thalassa/internal/testkit"
)

// held is a web server that answers its name once the test releases it, and how
// many requests wait for that.
func held(tb testing.TB, name string) (address string, waiting func() int, release func()) {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	hold, arrived := make(chan struct{}), make(chan struct{}, 100)
	server := &http.Server{
		ReadHeaderTimeout: patience,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			arrived <- struct{}{}
			<-hold
			fmt.Fprintln(w, name)
		}),
	}
	go func() { _ = server.Serve(listener) }() // ends with Close
	tb.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String(), func() int { return len(arrived) }, func() { close(hold) }
}

// ask sends a request to a server that holds it, and returns once it waits there.
func (n *node) ask(waiting func() int) (answer <-chan string) {
	n.tb.Helper()
	got := make(chan string, 1)
	go func() {
		body, err := n.get()
		got <- fmt.Sprint(body, " ", err)
	}()
	testkit.Eventually(n.tb, patience, func() error {
		if waiting() == 0 {
			return errors.New("the request has not arrived")
		}
		return nil
	})
	return got
}

// TestSlotWithARequestUnderWay: HAProxy 2.6 would reuse the connection of that
// request for others, after the slot has got another member. A new worker has
// none.
func TestSlotWithARequestUnderWay(t *testing.T) {
	consul := testkit.Consul(t)
	f := newFleet(t, consul)
	n := newNode(t, consul.Address())
	n.start()
	address, waiting, release := held(t, "1-a")
	f.address["1-a"] = address
	f.come(1, "1-a")
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1"}`)
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	testkit.Eventually(t, patience, func() error {
		if len(n.inFile()) == 0 {
			return fmt.Errorf("no member yet: %s", n.config())
		}
		return nil
	})
	answer := n.ask(waiting)

	// The backend has four slots: two more versions of two instances need that of
	// the first.
	f.come(1, "2-a", "2-b", "3-a", "3-b")
	if path := n.deploy("2"); path != "runtime" {
		t.Errorf("to the spare slots the path was %s", path)
	}
	n.settles(f, "2-a", "2-b")
	if path := n.deploy("3"); path != "reload" {
		t.Errorf("to the slot in use the path was %s", path)
	}
	n.settles(f, "3-a", "3-b")
	if _, events := n.try(http.MethodGet, "/activity?filter=haproxyReloaded", ""); !strings.Contains(events, "process runtime") {
		t.Errorf("the reason of the reload is not told: %s", events)
	}
	release()
	if got := <-answer; got != "1-a <nil>" {
		t.Errorf("the request under way was answered %s", got)
	}
	if path := n.deploy("2"); path != "runtime" {
		t.Errorf("back again the path was %s", path)
	}
	n.settles(f, "2-a", "2-b")
}

// TestDeployThatDrains is done when the last request to the former version is.
func TestDeployThatDrains(t *testing.T) {
	consul := testkit.Consul(t)
	f := newFleet(t, consul)
	n := newNode(t, consul.Address())
	n.start()
	address, waiting, release := held(t, "1-a")
	f.address["1-a"] = address
	f.come(1, "1-a", "2-a")
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1"}`)
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
	testkit.Eventually(t, patience, func() error {
		if running, err := n.inUse(); err != nil || len(running) == 0 {
			return fmt.Errorf("no member yet: %w", err)
		}
		return nil
	})
	answer := n.ask(waiting)
	agent := fmt.Sprintf("http://127.0.0.1:%d", n.api)
	out, err := exec.Command(build(t), "deploy", "live", "2", "--agent", agent, "--drain", "100ms").CombinedOutput()
	if exitCode(err) != 6 || !strings.Contains(string(out), address+" has 1") {
		t.Errorf("%v: %s", err, out)
	}
	n.answers("2-a")
	if status, body := n.try(http.MethodGet, "/backends/live/members?leaving=1", ""); status != 200 || !strings.Contains(body, `"connections":1`) || !strings.Contains(body, `"version":"1"`) {
		t.Errorf("%d %s", status, body)
	}
	release()
	if got := <-answer; got != "1-a <nil>" {
		t.Errorf("the request under way was answered %s", got)
	}
	cmd := exec.Command(build(t), "deploy", "live", "2", "--agent", agent, "--drain", "1m") // the same once more
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "has no connections to former members left") {
		t.Errorf("%v: %s", err, out)
	}
}
