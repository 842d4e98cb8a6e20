package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// patience is how long anything may take on a slow, busy machine.
const patience = 30 * time.Second

// build makes the program once for all tests of this process.
func build(tb testing.TB) string {
	tb.Helper()
	path, err := buildOnce()
	if err != nil {
		tb.Fatal(err)
	}
	return path
}

var buildOnce = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "thalassa-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "thalassa")
	cmd := exec.Command("go", "build", "-o", path, "thalassa/cmd/thalassa")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building thalassa: %w\n%s", err, out)
	}
	return path, nil
})

// A node is one load balancer: its folder, its ports and the agent's process.
type node struct {
	tb      testing.TB
	dir     string
	consul  string // address
	api     int
	web     int // the port that frontends of the tests bind
	flags   []string
	secure  bool   // the API has TLS
	token   string // of requests to the API; empty: none is shown
	asksTLS bool   // requests to the API go over TLS
	// wrap makes another command of the agent's; nil: none.
	wrap func(*exec.Cmd) *exec.Cmd
	// haproxy is the executable.
	haproxy string

	// stderr is the agent's standard error; nil: log.
	stderr *os.File

	agent *exec.Cmd
	exit  chan struct{}
	log   *testkit.Log
}

// newNode prepares a node; start runs its agent. HAProxy is stopped at the
// test's end.
func newNode(tb testing.TB, consul string, flags ...string) *node {
	tb.Helper()
	haproxy, isChosen := releases.Load(tb.Name())
	if !isChosen {
		haproxy = testkit.HAProxy(tb)
	}
	ports := testkit.Ports(tb, 2)
	dir, err := os.MkdirTemp("", "thalassa-node-") //nolint:usetesting // short: a socket's path has 107 bytes
	if err != nil {
		tb.Fatal(err)
	}
	n := &node{tb: tb, dir: dir, consul: consul, api: ports[0], web: ports[1], flags: flags, haproxy: haproxy.(string), log: &testkit.Log{}} //nolint:forcetypeassert // both are //nolint:forcetypeassert // both are
	tb.Cleanup(n.cleanUp)
	return n
}

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

// arguments of `thalassa agent` for this node.
func (n *node) arguments() []string {
	return append([]string{
		"agent", "--port", strconv.Itoa(n.api), "--service-reg", n.consul, "--haproxy-stats-bind", "", "--haproxy-log", "",
		"--haproxy-socket-path", n.path("h.sock"), "--haproxy-pid-path", n.path("h.pid"), "--haproxy-cfg-path", n.path("haproxy.cfg"),
		"--haproxy-binary", n.haproxy, "--db-path", n.dir, "--label", "test",
	}, n.flags...)
}

// start runs the agent and waits until its API answers.
func (n *node) start() {
	n.tb.Helper()
	n.startOnly()
	testkit.Eventually(n.tb, patience, func() error {
		if n.exited() {
			return fmt.Errorf("the agent ended: %s", n.log)
		}
		status, body := n.try(http.MethodGet, "/healthz", "")
		if status != http.StatusOK {
			return fmt.Errorf("/healthz: %d %s", status, body)
		}
		return nil
	})
}

func (n *node) startOnly() {
	n.tb.Helper()
	n.agent = exec.Command(build(n.tb), n.arguments()...)
	if n.wrap != nil {
		n.agent = n.wrap(n.agent)
	}
	n.agent.Stdout, n.agent.Stderr = n.log, n.log
	if n.stderr != nil {
		n.agent.Stderr = n.stderr
	}
	if err := n.agent.Start(); err != nil {
		n.tb.Fatal(err)
	}
	n.exit = make(chan struct{})
	go func(cmd *exec.Cmd, exit chan struct{}) {
		_ = cmd.Wait()
		close(exit)
	}(n.agent, n.exit)
}

func (n *node) exited() bool {
	select {
	case <-n.exit:
		return true
	default:
		return false
	}
}

// signal ends the agent and waits for it.
func (n *node) signal(sig syscall.Signal) {
	n.tb.Helper()
	if err := n.agent.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		n.tb.Fatal(err)
	}
	select {
	case <-n.exit:
	case <-time.After(patience):
		n.tb.Fatalf("the agent did not end: %s", n.log)
	}
}

// end stops the agent and HAProxy before the test's end.
func (n *node) end() {
	n.tb.Helper()
	n.signal(syscall.SIGTERM)
	if pid := n.haproxyPID(); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
}

func (n *node) cleanUp() {
	if n.agent != nil && !n.exited() {
		_ = n.agent.Process.Kill()
		<-n.exit
	}
	if pid := n.haproxyPID(); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGTERM)
		deadline := time.Now().Add(5 * time.Second)
		for n.haproxyPID() != 0 && time.Now().Before(deadline) {
			<-time.After(10 * time.Millisecond)
		}
		if n.haproxyPID() != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if n.tb.Failed() {
		n.tb.Logf("the agent's log:\n%s", n.log)
	}
	_ = os.RemoveAll(n.dir)
}

// haproxyPID is the master's, 0 when there is none.
func (n *node) haproxyPID() int {
	data, err := os.ReadFile(n.path("h.pid"))
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	pid, _ := strconv.Atoi(first)
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil || !bytes.Contains(line, []byte(n.dir)) {
		return 0
	}
	return pid
}

// master is the pid of a HAProxy that must be running. While it executes itself
// anew it has no command line for a moment; signaling process 0 instead would hit
// the group of the test itself.
func (n *node) master() int {
	n.tb.Helper()
	pid := 0
	testkit.Eventually(n.tb, patience, func() error {
		if pid = n.haproxyPID(); pid == 0 {
			return errors.New("no HAProxy is running")
		}
		return nil
	})
	return pid
}

// try makes one request to the API and never fails; status 0 means no answer.
func (n *node) try(method, path, body string) (int, string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	scheme, client := "http", http.DefaultClient
	if n.asksTLS {
		scheme = "https"
		client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	}
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("%s://127.0.0.1:%d%s", scheme, n.api, path), strings.NewReader(body))
	if err != nil {
		return 0, err.Error()
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if n.token != "" {
		req.Header.Set("Authorization", "Bearer "+n.token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(data)
}

// call makes a request that must be answered with the status; it returns the
// answer decoded.
func (n *node) call(want int, method, path, body string) map[string]any {
	n.tb.Helper()
	status, answer := n.try(method, path, body)
	if status != want {
		n.tb.Fatalf("%s %s %s: got %d %s, expected %d", method, path, body, status, answer, want)
	}
	var out map[string]any
	if err := json.Unmarshal([]byte(answer), &out); err != nil && strings.HasPrefix(answer, "{") {
		n.tb.Fatalf("%s %s: %v in %s", method, path, err, answer)
	}
	return out
}

// config is the haproxy.cfg on disk.
func (n *node) config() string {
	n.tb.Helper()
	data, err := os.ReadFile(n.path("haproxy.cfg"))
	if err != nil {
		n.tb.Fatal(err)
	}
	return string(data)
}

// route creates the backend live for version 1.0.0 of the service shop, and the
// frontend web that leads to it.
func (n *node) route() {
	n.tb.Helper()
	n.call(200, http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1.0.0"}`)
	n.call(200, http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web))
}

// address of the frontend.
func (n *node) address() string { return fmt.Sprintf("127.0.0.1:%d", n.web) }

// get asks the frontend on a new connection.
func (n *node) get() (string, error) { return getAt(n.address()) }

// getAt asks what listens at an address, on a new connection.
func getAt(address string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	resp, err := client.Get("http://" + address + "/")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answer %s", resp.Status)
	}
	return strings.TrimSpace(string(data)), nil
}

// answers waits until the frontend has given every wanted answer, and no other
// in as many requests after that.
func (n *node) answers(want ...string) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		seen := map[string]bool{}
		for range 4 * len(want) {
			body, err := n.get()
			if err != nil {
				return err
			}
			seen[body] = true
		}
		for _, w := range want {
			if !seen[w] {
				return fmt.Errorf("no answer from %s, only %v", w, seen)
			}
		}
		if len(seen) > len(want) {
			return fmt.Errorf("answers from %v, expected %v", seen, want)
		}
		return nil
	})
}
