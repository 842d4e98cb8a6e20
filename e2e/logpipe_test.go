package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// pipe has the agent log to a pipe, which the test may read, leave or close.
func (n *node) pipe() *os.File {
	n.tb.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		n.tb.Fatal(err)
	}
	n.stderr = writer
	n.tb.Cleanup(func() {
		_ = reader.Close() // a test may have closed it
		_ = writer.Close()
	})
	return reader
}

// restarts kills HAProxy and waits until another one serves.
func (n *node) restarts() {
	const want = "1.0.0-0"
	n.tb.Helper()
	before := n.master()
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		n.tb.Fatal(err)
	}
	testkit.Eventually(n.tb, patience, func() error {
		if now := n.haproxyPID(); now == 0 || now == before {
			return errors.New("HAProxy was not started again")
		}
		return nil
	})
	n.answers(want)
}

// warns waits until /readyz is 200 and has a warning, or "" for none.
func (n *node) warns(text string) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		code, body := n.try(http.MethodGet, "/readyz", "")
		if code != http.StatusOK || !strings.Contains(body, text) || text == "" && strings.Contains(body, "warnings") {
			return fmt.Errorf("/readyz: %d %s, expected %q", code, body, text)
		}
		return nil
	})
}

// chatter has the agent log more than it keeps.
func (n *node) chatter() {
	n.tb.Helper()
	for range 6000 {
		if code, body := n.try(http.MethodGet, "/healthz", ""); code != http.StatusOK {
			n.tb.Fatalf("/healthz: %d %s", code, body)
		}
	}
}

// A log that nobody reads holds nothing up: the agent drops lines, says so, and tells how
// many once somebody reads again.
func TestLogThatNobodyReads(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address(), "--debug")
	reader := n.pipe()
	n.start()
	service(t, consul, "1.0.0", 1)
	n.route()
	n.answers("1.0.0-0")
	n.warns("")

	n.chatter()
	n.warns("nobody reads the log")
	n.restarts()
	n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	if _, metrics := n.try(http.MethodGet, "/metrics", ""); strings.Contains(metrics, "\nthalassa_log_dropped_lines 0\n") || !strings.Contains(metrics, "\nthalassa_log_dropped_lines ") {
		t.Error("the metrics have no dropped lines")
	}

	var text testkit.Log
	go func() { _, _ = io.Copy(&text, reader) }() // ends with the pipe
	testkit.Eventually(t, patience, func() error {
		if !strings.Contains(text.String(), "log lines dropped") {
			return errors.New("the log does not tell of dropped lines")
		}
		return nil
	})
	n.warns("")
}

// While nobody reads the log the agent ends like any other.
func TestAgentEndsThoughNobodyReadsItsLog(t *testing.T) {
	n := newNode(t, testkit.Consul(t).Address(), "--debug")
	n.pipe()
	n.start()
	n.chatter()
	begin := time.Now()
	n.signal(syscall.SIGTERM)
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("the agent ended after %v", took)
	}
	if code := n.agent.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, expected 0", code)
	}

	second := newNode(t, n.consul, "--debug", "--template-file", n.path("missing"))
	reader := second.pipe()
	filler := bytes.Repeat([]byte("."), 64<<10)
	if _, err := second.stderr.Write(filler); err != nil { // the pipe is full
		t.Fatal(err)
	}
	second.startOnly()
	select {
	case <-second.exit:
	case <-time.After(patience):
		t.Fatal("an agent that cannot start waits for the reader of its log")
	}
	if code := second.agent.ProcessState.ExitCode(); code == 0 {
		t.Error("exit code 0 of an agent that could not start")
	}
	_ = reader.Close()
}

// The end of the log's reader is not the end of the agent.
func TestLogWithoutReader(t *testing.T) {
	consul := testkit.Consul(t)
	n := newNode(t, consul.Address())
	reader := n.pipe()
	n.start()
	service(t, consul, "1.0.0", 1)
	n.route()
	n.answers("1.0.0-0")
	if err := errors.Join(reader.Close(), n.stderr.Close()); err != nil {
		t.Fatal(err)
	}
	n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[{"host":"127.0.0.1","port":9}]}`)
	n.restarts()
	if n.exited() {
		t.Fatal("the agent has ended")
	}
	n.warns("the log cannot be written")
	n.signal(syscall.SIGTERM)
	if code := n.agent.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d, expected 0", code)
	}
}
