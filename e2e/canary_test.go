package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	nodeapi "thalassa/api/node"
	"thalassa/internal/testkit"
)

// divide has the traffic divided between versions, without a reload.
func (n *node) divide(versions string) {
	n.tb.Helper()
	answer := n.call(200, http.MethodPost, "/backends/live", fmt.Sprintf(`{"versions":%s,"wait":"10s"}`, versions))
	if answer["applied"] != true || answer["path"] != "runtime" || answer["version"] != nil {
		n.tb.Fatalf("%s was answered %v", versions, answer)
	}
}

// shares runs the load for so many requests and tells the part that each version
// had of them, in percent.
func shares(load *testkit.Load, requests int) map[string]float64 {
	before := load.Result()
	load.Await(before.Requests + requests)
	after := load.Result()
	out := map[string]float64{}
	for name, count := range after.Count {
		version, _, _ := strings.Cut(name, "-")
		out[version] += 100 * float64(count-before.Count[name]) / float64(after.Requests-before.Requests)
	}
	return out
}

// TestSharesOfTraffic: whatever the number of instances and their weights in
// Consul, each version gets its share of the requests, at run time and without a
// failed one.
func TestSharesOfTraffic(t *testing.T) {
	n, f := sailing(t, "1-a", "1-b")
	f.come(1, "2-a")
	f.come(9, "1-b")
	n.settles(f, "1-a", "1-b")
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: time.Millisecond, For: 3 * time.Minute})
	const requests, tolerance = 4000, 1.5 // percent
	hold := func(want map[string]float64) {
		t.Helper()
		load.Await(load.Result().Requests + 100) // those under way
		got := shares(load, requests)
		t.Logf("%v of %d requests, expected %v", got, requests, want)
		for _, version := range []string{"1", "2", "3"} {
			if math.Abs(got[version]-want[version]) > tolerance {
				t.Errorf("version %s had %.1f%% of the requests, expected %.1f%%", version, got[version], want[version])
			}
		}
	}
	n.withoutReload(func() {
		n.divide(`{"1":90,"2":10}`)
		hold(map[string]float64{"1": 90, "2": 10})
		n.divide(`{"1":1,"2":1}`)
		hold(map[string]float64{"1": 50, "2": 50})
		f.come(3, "2-b", "2-c") // more instances get no more
		n.settles(f, "1-a", "1-b", "2-a", "2-b", "2-c")
		hold(map[string]float64{"1": 50, "2": 50})
		f.leave("1-a", "1-b") // and the share of a version without any goes to the other
		n.settles(f, "2-a", "2-b", "2-c")
		hold(map[string]float64{"2": 100})
		f.come(1, "1-a")
		n.settles(f, "1-a", "2-a", "2-b", "2-c")
		n.divide(`{"1":0,"2":100}`)
		hold(map[string]float64{"2": 100})
		if path := n.deploy("1"); path != "runtime" {
			t.Errorf("the end of the split took the path %s", path)
		}
		hold(map[string]float64{"1": 100})
	})
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

// The counters that the API shows are HAProxy's, by member, whatever slot it is in.
func TestMembersWithStatistics(t *testing.T) {
	n, f := sailing(t, "1-a")
	f.come(1, "2-a")
	n.divide(`{"1":1,"2":1}`)
	n.settles(f, "1-a", "2-a")
	read := func() map[string]*nodeapi.ServerStats {
		status, body := n.try(http.MethodGet, "/backends/live/members?stats=1", "")
		var members []struct {
			Version string
			Stats   *nodeapi.ServerStats
		}
		if err := json.Unmarshal([]byte(body), &members); err != nil || status != 200 || len(members) != 2 {
			t.Fatalf("%d %s: %v", status, body, err)
		}
		return map[string]*nodeapi.ServerStats{members[0].Version: members[0].Stats, members[1].Version: members[1].Stats}
	}
	before := read()
	for range 10 {
		if _, err := n.get(); err != nil {
			t.Fatal(err)
		}
	}
	after := read()
	for _, version := range []string{"1", "2"} {
		a, b := after[version], before[version]
		if a == nil || b == nil || a.Requests-b.Requests != 5 || a.Responses.Success-b.Responses.Success != 5 || a.Weight != 256 || !strings.HasPrefix(a.Status, "UP") {
			t.Errorf("version %s: %+v after %+v", version, a, b)
		}
	}
	if after["1"].Server == after["2"].Server {
		t.Errorf("two members have the line %s", after["1"].Server)
	}
}

// canaryOf is a deploy of version 2 in steps, at the command line.
func canaryOf(every string, more ...string) []string {
	return append([]string{"deploy", "live", "2", "--canary", "10,50,100", "--every", every}, more...)
}

func TestCanaryOfAHealthyVersion(t *testing.T) {
	n, f := sailing(t, "1-a", "1-b")
	f.come(1, "2-a", "2-b")
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: time.Millisecond, For: 2 * time.Minute})
	n.withoutReload(func() {
		out, _ := n.shell("").run(0, "", canaryOf("2s")...)
		for _, line := range []string{
			` 10%  1=90,2=10 with 4 members and in effect after \d+ ms \(runtime, revision \d+\)`,
			` 10%  \d+ requests, 0% 5xx, 0% errors, [\d.]+ ms`,
			` 50%  1=50,2=50 with 4 members and in effect after \d+ ms \(runtime, revision \d+\)`,
			` 50%  \d+ requests, 0% 5xx, 0% errors, [\d.]+ ms`,
			`backend/live is at shop 2 with 2 members and in effect after \d+ ms \(runtime, revision \d+\)`,
		} {
			if !regexp.MustCompile("(?m)^" + line + "$").MatchString(out) {
				t.Errorf("there is no line %s in\n%s", line, out)
			}
		}
		n.settles(f, "2-a", "2-b")
	})
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
	events, _ := n.shell("").run(0, "", "activity", "--filter", "backendSwitched")
	holds(t, "activity", events, "shop 1 → shop 1=90,2=10", "shop 1=90,2=10 → shop 1=50,2=50", "shop 1=50,2=50 → shop 2")
}

// broken registers an instance of version 2 that does not answer as it should.
func (f *fleet) broken(name string, handler http.HandlerFunc) {
	f.tb.Helper()
	server := httptest.NewServer(handler)
	f.tb.Cleanup(server.Close)
	f.address[name] = server.Listener.Addr().String()
	f.come(1, name)
}

func TestCanaryOfABadVersionGoesBack(t *testing.T) {
	for name, c := range map[string]struct {
		handler      http.HandlerFunc
		reason, fail string // what clients see
	}{
		"500": {
			func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
			"broke 5xx>1%", "answer 500",
		},
		"no answer": {
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			"broke errors>1%", "(answer 502|EOF)",
		},
		"slow": {
			func(w http.ResponseWriter, _ *http.Request) {
				<-time.After(300 * time.Millisecond)
				fmt.Fprintln(w, "2-bad")
			},
			"broke rtime>200ms", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, f := sailing(t, "1-a", "1-b")
			f.broken("2-bad", c.handler)
			load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: time.Millisecond, For: 2 * time.Minute})
			n.withoutReload(func() {
				out, why := n.shell("").run(4, "", canaryOf("1m", "--abort-on", "5xx>1%,errors>1%,rtime>200ms")...)
				holds(t, "output", out, " 10%  1=90,2=10 with 3 members and in effect", " 10%  going back: version 2 "+c.reason)
				if !regexp.MustCompile(`^thalassa: backend/live was rolled back to shop 1: at 10% version 2 ` + c.reason + ` \(\d+ requests, [\d.]+% 5xx, [\d.]+% errors, [\d.]+ ms\)\n$`).MatchString(why) {
					t.Errorf("the reason is %s", why)
				}
				load.Await(load.Result().Requests + 100) // those under way
				during := load.Result()
				load.Await(during.Requests + 1000)
				r := load.Stop()
				t.Logf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
				if r.Failed != during.Failed {
					t.Errorf("%d requests failed after it was back", r.Failed-during.Failed)
				}
				for _, e := range r.Errors {
					if c.fail == "" || !regexp.MustCompile(c.fail).MatchString(e) {
						t.Errorf("a client saw %s", e)
					}
				}
				if part := float64(r.Failed) / float64(during.Requests); part > 0.12 {
					t.Errorf("%.0f%% of the requests failed", 100*part)
				}
				n.settles(f, "1-a", "1-b")
			})
		})
	}
}

// begun starts a canary and waits until its first step is in effect.
func (n *node) begun(args ...string) (cmd *exec.Cmd, stdout io.ReadCloser, stderr *bytes.Buffer) {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(n.tb.Context(), 2*patience)
	n.tb.Cleanup(cancel)
	cmd = n.shell("").command(ctx, args...)
	stderr = &bytes.Buffer{}
	cmd.Stderr = stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		_, err = out.Read(make([]byte, 1))
	}
	if err != nil {
		n.tb.Fatalf("%v: %v %s", args, err, stderr)
	}
	return cmd, out, stderr
}

// A canary that is told to stop, or whose output nobody reads any more, goes back.
func TestCanaryThatIsStoppedGoesBack(t *testing.T) {
	n, f := sailing(t, "1-a")
	f.come(1, "2-a")
	for name, end := range map[string]func(cmd *exec.Cmd, out io.Closer) error{
		"Ctrl-C":             func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(os.Interrupt) },
		"the terminal's end": func(cmd *exec.Cmd, _ io.Closer) error { return cmd.Process.Signal(syscall.SIGHUP) },
		"the reader's end":   func(_ *exec.Cmd, out io.Closer) error { return out.Close() },
	} {
		cmd, out, why := n.begun(canaryOf("500ms")...)
		err := end(cmd, out)
		if err == nil {
			err = cmd.Wait()
		}
		if code := exitCode(err); code != 4 || !regexp.MustCompile(`^thalassa: backend/live was rolled back to shop 1: at (10|50)% it was interrupted`).MatchString(why.String()) {
			t.Errorf("%s: exit code %d (%v), %s", name, code, err, why)
		}
		n.settles(f, "1-a")
	}
}

// A canary survives that the agent is killed, and a reload of HAProxy, which sets
// its counters back.
func TestCanaryGoesOnOverAgentsAndWorkers(t *testing.T) {
	n, f := sailing(t, "1-a", "1-b")
	f.come(1, "2-a", "2-b")
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: time.Millisecond, For: 2 * time.Minute})
	cmd, out, why := n.begun(canaryOf("8s")...)
	lines := make(chan string, 100)
	go func() {
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			lines <- scanner.Text()
		}
		close(lines)
	}()
	load.Await(load.Result().Requests + 500)
	n.signal(syscall.SIGKILL)
	for line := range lines {
		if strings.Contains(line, " 10%  waiting for the agent: asking the agent") {
			break
		}
	}
	n.start()
	load.Await(load.Result().Requests + 500)
	answer := n.call(200, http.MethodPut, "/backends/other", `{"type":"static","members":[]}`)
	if answer["path"] != "reload" {
		t.Fatalf("the other backend was answered %v", answer)
	}
	last := ""
	for line := range lines {
		last = line
	}
	if err := cmd.Wait(); err != nil || why.Len() > 0 || !strings.HasPrefix(last, "backend/live is at shop 2 with 2 members and in effect") {
		t.Fatalf("%v %s, at last %s", err, why, last)
	}
	n.settles(f, "2-a", "2-b")
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

// A version that loses its last instance in the middle of a canary, and somebody
// else's change, end it.
func TestCanaryThatLosesItsGround(t *testing.T) {
	n, f := sailing(t, "1-a")
	f.come(1, "2-a", "3-a")
	cmd, _, why := n.begun(canaryOf("1m")...)
	f.leave("2-a")
	if code := exitCode(cmd.Wait()); code != 4 || !strings.Contains(why.String(), "backend/live was rolled back to shop 1: at 10% version 2 has no healthy instance any more") {
		t.Errorf("exit code %d, %s", code, why)
	}
	n.settles(f, "1-a")

	f.come(1, "2-a")
	cmd, _, why = n.begun(canaryOf("1m", "--wait", "10s")...)
	n.deploy("3")
	if code := exitCode(cmd.Wait()); code != 4 || !strings.Contains(why.String(), "changed by somebody else while the canary had it at 1=90,2=10: it is at shop 3 now and is left alone") {
		t.Errorf("exit code %d, %s", code, why)
	}
	n.settles(f, "3-a")
}

// A detached canary needs nobody: it continues after the agent was killed.
func TestDetachedCanaryOverAgents(t *testing.T) {
	n, f := sailing(t, "1-a", "1-b")
	f.come(1, "2-a", "2-b")
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: n.address(), KeepAlive: 8, Fresh: 8, Pause: time.Millisecond, For: 2 * time.Minute})
	begin := time.Now()
	out, _ := n.shell("").run(0, "", canaryOf("3s", "--detach")...)
	if took := time.Since(begin); took > 3*time.Second || strings.Count(out, "\n") != 1 {
		t.Errorf("the command took %s and printed %s", took, out)
	}
	load.Await(load.Result().Requests + 500)
	testkit.Eventually(t, patience, func() error {
		if events, _ := n.shell("").run(0, "", "activity", "--filter", "canary"); !strings.Contains(events, "canaryStarted") {
			return fmt.Errorf("activity: %s", events)
		}
		return nil
	})
	<-time.After(time.Second) // the log of events never waits: what is newer is lost with the agent
	n.signal(syscall.SIGKILL)
	n.start()
	testkit.Eventually(t, patience, func() error {
		if code, body := n.try(http.MethodGet, "/readyz", ""); code != http.StatusOK {
			return fmt.Errorf("/readyz: %d %s", code, body)
		}
		return nil
	})
	out, _ = n.shell("").run(0, "", "status")
	holds(t, "status", out, "canary of 2 running at ")
	n.settles(f, "2-a", "2-b")
	c := n.call(200, http.MethodGet, "/backends/live/canary", "")
	history, _ := c["history"].([]any)
	if c["phase"] != "done" || len(history) != 3 {
		t.Fatalf("the canary is %v", c)
	}
	for _, step := range history[:2] {
		step, _ := step.(map[string]any)
		for _, side := range []string{"new", "old"} {
			figures, _ := step[side].(map[string]any)
			if requests, _ := figures["requests"].(float64); requests < 20 || figures["5xx"] != 0.0 || figures["errors"] != 0.0 {
				t.Errorf("%s in %v", side, step)
			}
		}
	}
	if r := load.Stop(); r.Failed > 0 {
		t.Fatalf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
	events, _ := n.shell("").run(0, "", "activity", "--filter", "canary")
	holds(t, "activity", events, "canaryStarted", "canaryDone")
}
