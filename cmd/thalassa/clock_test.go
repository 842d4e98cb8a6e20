package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"thalassa/cli"
	"thalassa/client"
	"thalassa/internal/testkit"
)

const (
	patience   = 30 * time.Second
	adminToken = "0123456789abcdef0123456789abcdef"
	briefToken = "fedcba9876543210fedcba9876543210" // valid for an hour
)

// A clockNode is a node within this process, whose clock is set.
type clockNode struct {
	tb     testing.TB
	clock  *testkit.Clock
	consul *testkit.ConsulAgent
	dir    string
	api    string // URL
	web    int
	log    testkit.Log
	client http.Client
	// members are the addresses of the instances, by their lines.
	members map[string]string
}

// newClockNode runs a node until the end of the test.
func newClockNode(tb testing.TB) *clockNode {
	tb.Helper()
	binary, ports := testkit.HAProxy(tb), testkit.Ports(tb, 2)
	n := &clockNode{
		tb: tb, clock: testkit.NewClock(tb), consul: testkit.Consul(tb), dir: testkit.SocketDir(tb),
		api: "http://127.0.0.1:" + strconv.Itoa(ports[0]), web: ports[1], client: http.Client{Timeout: patience},
	}
	hash := sha256.Sum256([]byte(briefToken))
	n.write("tokens", "admin boss "+adminToken+"\n")
	n.write("access.yaml", fmt.Sprintf("tokens:\n  - {name: brief, role: read, sha256: %s, expires: %s}\n", hex.EncodeToString(hash[:]), time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))
	args := []string{
		"agent", "--port", strconv.Itoa(ports[0]), "--service-reg", n.consul.Address(), "--register=false", "--haproxy-binary", binary,
		"--haproxy-stats-bind", "", "--haproxy-log", "", "--db-path", n.dir, "--haproxy-socket-path", n.path("h.sock"),
		"--haproxy-pid-path", n.path("h.pid"), "--haproxy-cfg-path", n.path("haproxy.cfg"), "--stop-haproxy",
		"--token-file", n.path("tokens"), "--access-file", n.path("access.yaml"),
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan int, 1)
	go func() {
		ended <- cli.Run(ctx, args, cli.Environment{
			Program: "thalassa", Stdin: strings.NewReader(""), Stdout: &n.log, Stderr: &n.log, Getenv: func(string) string { return "" },
		}, cli.Parts{Agent: func(ctx context.Context, c cli.Node) error {
			return node{settings: c.Settings, log: c.Logger, queue: c.Log, now: n.clock.Now}.run(ctx)
		}})
	}()
	tb.Cleanup(func() {
		stop()
		if code := <-ended; code != 0 || tb.Failed() {
			tb.Errorf("the agent exits with %d: %s", code, &n.log)
		}
	})
	return n
}

func (n *clockNode) path(name string) string { return filepath.Join(n.dir, name) }

func (n *clockNode) write(name, text string) {
	n.tb.Helper()
	if err := os.WriteFile(n.path(name), []byte(text), 0o600); err != nil {
		n.tb.Fatal(err)
	}
}

// ask sends a request with a token, and decodes the answer into out.
func (n *clockNode) ask(token, method, path, body string, out any) error {
	req, err := http.NewRequest(method, n.api+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := n.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s %s: %s %s", method, path, resp.Status, text)
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// must is ask as an admin, which succeeds.
func (n *clockNode) must(method, path, body string, out any) {
	n.tb.Helper()
	if err := n.ask(adminToken, method, path, body, out); err != nil {
		n.tb.Fatal(err)
	}
}

// await waits until one of these lines answers for the service.
func (n *clockNode) await(want ...string) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		resp, err := n.client.Get(fmt.Sprintf("http://127.0.0.1:%d/", n.web))
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		line, err := io.ReadAll(resp.Body)
		if err == nil && !strings.Contains(strings.Join(want, " "), strings.TrimSpace(string(line))) {
			err = fmt.Errorf("answered by %s, expected %v", line, want)
		}
		return err
	})
}

// serve has the node serve two instances each of the versions 1 and 2.
func (n *clockNode) serve() {
	n.tb.Helper()
	n.members = map[string]string{}
	for _, line := range []string{"1-a", "1-b", "2-a", "2-b"} {
		port := testkit.StartWeb(n.tb, line).Port
		n.members[line] = fmt.Sprintf("127.0.0.1:%d", port)
		n.consul.Register(testkit.Instance{ID: line, Service: "shop", Address: "127.0.0.1", Port: port, Meta: map[string]string{"version": line[:1]}})
	}
	testkit.Eventually(n.tb, patience, func() error { return n.ask(adminToken, http.MethodGet, "/healthz", "", nil) })
	n.must(http.MethodPut, "/backends/live", `{"type":"dynamic","name":"shop","version":"1"}`, nil)
	n.must(http.MethodPut, "/frontends/web", fmt.Sprintf(`{"bind":"127.0.0.1:%d","backend":"live"}`, n.web), nil)
	n.await("1-a", "1-b")
	testkit.Eventually(n.tb, patience, func() error { return n.ask(adminToken, http.MethodGet, "/readyz", "", nil) })
}

// follow counts the frames of a stream that never ends.
func (n *clockNode) follow() (frames func() int) {
	n.tb.Helper()
	c, err := client.New(client.Config{Address: n.api, Token: adminToken})
	if err != nil {
		n.tb.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	seen, done := make(chan client.Frame, 10_000), make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Stream(ctx, []string{"activity"}, nil, func(f client.Frame) error { seen <- f; return nil })
	}()
	n.tb.Cleanup(func() { stop(); <-done })
	count := 0
	return func() int {
		for range len(seen) {
			f := <-seen
			if f.Type == "lost" || f.Type == "error" {
				n.tb.Errorf("the stream: %s %s", f.Type, f.Message)
			}
			count++
		}
		return count
	}
}

// login begins a session, whose token it returns.
func (n *clockNode) login() string {
	n.tb.Helper()
	var session struct{ Token string }
	n.must(http.MethodPost, "/session", `{"token":"`+adminToken+`","bearer":true}`, &session)
	if session.Token == "" {
		n.tb.Fatal("no token of the session")
	}
	return session.Token
}

// set changes the state of a member.
func (n *clockNode) set(line, change string) {
	n.tb.Helper()
	n.must(http.MethodPost, "/backends/live/members/"+n.members[line], change, nil)
}

// overridden are the lines of the members that have an override.
func (n *clockNode) overridden() (lines []string) {
	n.tb.Helper()
	var members []struct {
		Host     string
		Port     int
		Override *struct{ State string }
	}
	n.must(http.MethodGet, "/backends/live/members", "", &members)
	for _, m := range members {
		for line, address := range n.members {
			if m.Override != nil && address == fmt.Sprintf("%s:%d", m.Host, m.Port) {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

// numbers are the numbers of a list, newest last.
func (n *clockNode) numbers(path, field string) (out []int) {
	n.tb.Helper()
	var list []map[string]any
	n.must(http.MethodGet, path, "", &list)
	for _, entry := range list {
		number, _ := entry[field].(float64)
		out = append(out, int(number))
	}
	slices.Sort(out)
	return out
}

// A clockCanary is what the API tells of a canary.
type clockCanary struct {
	Phase   string
	Percent int
	History []struct{ MeasuredMS int64 }
}

// awaitCanary waits until the canary has made the step to a percentage.
func (n *clockNode) awaitCanary(percent int) (c clockCanary) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		n.must(http.MethodGet, "/backends/live/canary", "", &c)
		if c.Percent != percent || percent == 100 && c.Phase != "done" {
			return fmt.Errorf("the canary is %+v, expected %d%%", c, percent)
		}
		return nil
	})
	return c
}

// A jump is what somebody does to the clock, from the right time.
type jump struct {
	name  string
	ahead time.Duration
}

// through lets the clock jump and checks what is promised right after it.
func (n *clockNode) through(j jump, session string, number int) {
	n.tb.Helper()
	events := n.numbers("/activity?limit=1", "seq")
	polled := make(chan error, 1)
	go func() {
		polled <- n.ask(adminToken, http.MethodGet, fmt.Sprintf("/activity?since=%d&wait=20s", events[0]), "", nil)
	}()
	n.clock.Set(j.ahead)
	var put struct{ Applied bool }
	begin := time.Now()
	n.must(http.MethodPut, "/backends/other", fmt.Sprintf(`{"type":"static","members":[{"host":"127.0.0.1","port":%d}]}`, 1000+number), &put)
	if err := <-polled; err != nil || !put.Applied || time.Since(begin) > 15*time.Second {
		n.tb.Errorf("%s: a change is applied: %v, after %s; the long poll: %v", j.name, put.Applied, time.Since(begin), err)
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if err := n.ask(adminToken, http.MethodGet, path, "", nil); err != nil {
			n.tb.Errorf("%s: %v", j.name, err)
		}
	}
	if err := n.ask(session, http.MethodGet, "/status", "", nil); err != nil {
		n.tb.Errorf("%s: a session of this run: %v", j.name, err)
	}
	if err := n.ask(briefToken, http.MethodGet, "/status", "", nil); (err == nil) != (j.ahead < time.Hour) {
		n.tb.Errorf("%s: a token for an hour: %v", j.name, err)
	}
	if lines := n.overridden(); !slices.Contains(lines, "2-b") {
		n.tb.Errorf("%s: an override for 30 minutes has ended, those left are %v", j.name, lines)
	}
}

// TestClockJumps sets the clock of a node under load a day forward, a day back and a month
// forward. docs/faults.md says what is promised.
func TestClockJumps(t *testing.T) {
	t.Parallel()
	n := newClockNode(t)
	n.serve()
	session, frames := n.login(), n.follow()
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: fmt.Sprintf("127.0.0.1:%d", n.web), KeepAlive: 2, Fresh: 2, Pause: 5 * time.Millisecond})
	begin := time.Now()
	n.must(http.MethodPost, "/backends/live/canary", `{"version":"2","steps":[25,50,75,100],"every":"1500ms","abortOn":""}`, nil)
	n.set("2-b", `{"state":"drain","for":"30m"}`)
	seen := 0
	for i, j := range []jump{{"a day forward", 24 * time.Hour}, {"a day back", -24 * time.Hour}, {"a month forward", 30 * 24 * time.Hour}, {"right again", 0}} {
		n.awaitCanary(25 * (i + 1)) // each jump is in a step of its own
		if i == 1 {
			n.set("2-a", `{"weight":"50%","for":"2s"}`)
		}
		n.through(j, session, i)
		if now := frames(); now == seen {
			t.Errorf("%s: the stream stands still at %d frames", j.name, now)
		} else {
			seen = now
		}
	}
	n.afterJumps(begin)
	if r := load.Stop(); r.Failed > 0 || r.Requests < 100 {
		t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

// afterJumps checks what ends by itself, and that nothing is lost.
func (n *clockNode) afterJumps(begun time.Time) {
	n.tb.Helper()
	testkit.Eventually(n.tb, patience, func() error {
		if lines := n.overridden(); slices.Contains(lines, "2-a") {
			return fmt.Errorf("overrides of %v, the one for 2 s has not ended", lines)
		}
		return nil
	})
	canary := n.awaitCanary(100)
	if took := time.Since(begun); canary.Phase != "done" || len(canary.History) != 4 || took > 20*time.Second {
		n.tb.Errorf("after %s: the canary is %+v, expected four steps", took, canary)
	}
	for _, step := range canary.History[:len(canary.History)-1] {
		if step.MeasuredMS < 1500 || step.MeasuredMS > 5000 {
			n.tb.Errorf("a step of 1.5 s took %d ms", step.MeasuredMS)
		}
	}
	n.await("2-a")
	for path, field := range map[string]string{"/revisions?limit=1000": "number", "/activity?limit=1000": "seq", "/audit?limit=1000": "seq"} {
		list := n.numbers(path, field)
		for i, number := range list {
			if number != list[0]+i {
				n.tb.Errorf("%s: the numbers are %v", path, list)
				break
			}
		}
		if len(list) < 6 || list[0] > 1 {
			n.tb.Errorf("%s: %d entries from %v on, expected at least 6 from 1 on", path, len(list), list)
		}
	}
}
