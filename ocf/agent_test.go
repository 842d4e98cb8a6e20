package ocf_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
	"thalassa/ocf"
)

func TestStartReturnsWhenHAProxyAnswersAndStopWhenItIsGone(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.NotRunning, "monitor", 0)
	for range 3 { // a script that returns early would fail one of these
		s.want(ocf.OK, "start", 0)
		s.answers("one")
		for _, level := range []int{0, 10, 20} {
			s.want(ocf.OK, "monitor", level)
		}
		s.want(ocf.OK, "start", 0) // runs already
		master, workers := s.master(), s.workers()
		s.want(ocf.OK, "stop", 0)
		s.closed()
		for _, pid := range append(workers, master) {
			if lives(pid) {
				t.Errorf("process %d lives after the stop", pid)
			}
		}
		s.want(ocf.NotRunning, "monitor", 0)
		s.want(ocf.OK, "stop", 0) // was stopped already
	}
}

func TestNothingInstalled(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.parameters["binary"] = "/nonexistent/haproxy"
	s.want(ocf.NotRunning, "monitor", 0)
	s.want(ocf.OK, "stop", 0)
	s.want(ocf.Installed, "validate-all", 0)
	s.want(ocf.Installed, "start", 0)
}

func TestWithoutAConfiguration(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.want(ocf.Installed, "validate-all", 0)
	s.timeout = time.Second
	if reason := s.want(ocf.Installed, "start", 0); !strings.Contains(reason, s.path("haproxy.cfg")) {
		t.Errorf("the reason is %q", reason)
	}
	// The thalassa agent may be just about to write it.
	s.timeout = patience
	go func() {
		<-time.After(200 * time.Millisecond)
		s.write("one")
	}()
	s.want(ocf.OK, "start", 0)
	s.answers("one")
}

func TestABadFileIsOfThisNodeAlone(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.put("global\n    no such keyword\n")
	for _, action := range []string{"validate-all", "start"} {
		if reason := s.want(ocf.Args, action, 0); !strings.Contains(reason, "no such keyword") && !strings.Contains(reason, "unknown keyword") {
			t.Errorf("%s: the reason is %q", action, reason)
		}
	}
	s.want(ocf.NotRunning, "monitor", 0)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	s.want(ocf.OK, "stop", 0)
	// With a file that HAProxy has run once a bad one does no harm.
	s.put("global\n    no such keyword\n")
	for _, c := range []struct {
		action string
		level  int
	}{{"start", 0}, {"monitor", 10}} {
		if reason := s.want(ocf.Degraded, c.action, c.level); !strings.Contains(reason, "last good") || !strings.Contains(reason, "keyword") {
			t.Errorf("%s: the reason is %q", c.action, reason)
		}
	}
	s.answers("one")
	s.want(ocf.OK, "monitor", 0)
	s.write("two")
	s.want(ocf.OK, "reload-agent", 0)
	s.want(ocf.OK, "monitor", 10)
}

// A stall that is shorter than the timeout of the monitor is no failure.
func TestMonitorTakesTheTimeOfItsOperation(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	for _, level := range []int{0, 10} {
		pids := append(s.workers(), s.master())
		s.signal(syscall.SIGSTOP, pids...)
		time.AfterFunc(4*time.Second, func() {
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGCONT) // a process that is gone fails the monitor
			}
		})
		s.want(ocf.OK, "monitor", level)
	}
	s.timeout = 2 * time.Second
	freeze(t, s.workers()...)
	begun := time.Now()
	s.want(ocf.Generic, "monitor", 0)
	if took := time.Since(begun); took > s.timeout {
		t.Errorf("the monitor took %s and had %s", took, s.timeout)
	}
	s.timeout = patience
}

func TestWrongParametersAreWrongEverywhereButDoNotKeepHAProxyRunning(t *testing.T) {
	t.Parallel()
	for _, wrong := range [][2]string{
		{"drain_time", "soon"}, {"drain_time", "2000000000min"}, {"open_files", "many"}, {"agent_url", "nowhere"}, {"check_url", "ftp://x"}, {"config", "haproxy.cfg"},
	} {
		name, value := wrong[0], wrong[1]
		s := newFixture(t)
		s.write("one")
		s.want(ocf.OK, "start", 0)
		right := s.parameters[name]
		s.parameters[name] = value
		if reason := s.want(ocf.Configured, "validate-all", 0); !strings.Contains(reason, name) {
			t.Errorf("the reason is %q", reason)
		}
		s.want(ocf.Configured, "start", 0)
		s.want(ocf.OK, "monitor", 0)
		s.want(ocf.OK, "stop", 0)
		s.closed()
		s.parameters[name] = right
	}
}

// A note of a refused reload that nobody ever writes to is no note.
func TestAMonitorWaitsForNoNote(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	if err := syscall.Mkfifo(s.parameters["pidfile"]+".refused", 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(s.parameters["pidfile"]+".refused", os.O_RDWR, 0) // both ends, and nothing comes
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	ended := make(chan ocf.Result, 1)
	go func() { ended <- s.do("monitor", 10) }()
	select {
	case r := <-ended:
		if r.Code != ocf.OK {
			t.Errorf("the monitor: %+v", r)
		}
	case <-time.After(patience):
		t.Error("the monitor waits for a FIFO")
	}
}

func TestAPidThatIsUsedAgainIsNotHAProxy(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	bystander := exec.Command("sleep", "600")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = bystander.Process.Kill()
		_ = bystander.Wait()
	})
	remember := func() {
		if err := os.WriteFile(s.path("pid"), []byte(strconv.Itoa(bystander.Process.Pid)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	remember()
	s.want(ocf.NotRunning, "monitor", 0)
	s.want(ocf.OK, "stop", 0)
	remember()
	s.want(ocf.OK, "start", 0)
	s.answers("one")
	remember() // HAProxy is found without the file, too
	s.want(ocf.OK, "monitor", 0)
	s.want(ocf.OK, "stop", 0)
	s.closed()
	if !lives(bystander.Process.Pid) {
		t.Error("a process that is not HAProxy was ended")
	}
}

func TestAnotherHAProxyIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	other := testkit.RunHAProxy(t, testkit.HAProxy(t), testkit.HAProxyConfig{Address: net.JoinHostPort("127.0.0.1", strconv.Itoa(testkit.Port(t)))})
	s.want(ocf.NotRunning, "monitor", 0)
	s.want(ocf.OK, "stop", 0)
	if !lives(other.PID) {
		t.Error("another HAProxy was ended")
	}
}

func TestStopEndsAHAProxyThatHangs(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	pids := append(s.workers(), s.master())
	freeze(t, pids...)
	if reason := s.want(ocf.Generic, "monitor", 0); !strings.Contains(reason, "does not answer") {
		t.Errorf("the reason is %q", reason)
	}
	s.want(ocf.OK, "stop", 0)
	for _, pid := range pids {
		if lives(pid) {
			t.Errorf("process %d lives after the stop", pid)
		}
	}
}

// Pacemaker ends an action that takes longer, and nobody reads what it had to say.
func TestReloadOfAHAProxyThatHangsEndsInTime(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	freeze(t, append(s.workers(), s.master())...)
	s.timeout = 10 * time.Second
	begin := time.Now()
	if reason := s.want(ocf.Generic, "reload-agent", 0); !strings.Contains(reason, "does not answer") {
		t.Errorf("the reason is %q", reason)
	}
	if took := time.Since(begin); took > s.timeout {
		t.Errorf("the action took %s and had %s", took, s.timeout)
	}
	s.timeout = patience
}

func TestAWorkerWithoutItsMasterIsAFailureAndCanBeStopped(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	master, workers := s.master(), s.workers()
	freeze(t, workers...) // or it would notice
	s.signal(syscall.SIGKILL, master)
	testkit.Eventually(t, patience, func() error {
		if lives(master) {
			return errors.New("the master lives")
		}
		return nil
	})
	s.want(ocf.OK, "stop", 0)
	for _, pid := range workers {
		if lives(pid) {
			t.Errorf("worker %d lives after the stop", pid)
		}
	}
	s.want(ocf.NotRunning, "monitor", 0)
	s.want(ocf.OK, "start", 0)
	s.answers("one")
}

func TestStopLetsConnectionsEndAndThenCutsThem(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	conn, err := net.Dial("tcp", s.address())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n")); err != nil { // never ends
		t.Fatal(err)
	}
	begun := time.Now()
	s.want(ocf.OK, "stop", 0)
	if took := time.Since(begun); took < time.Second {
		t.Errorf("the stop took %s, expected the drain time of 1 s at least", took)
	}
	s.closed()
}

func TestReloadAgent(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.NotRunning, "reload-agent", 0)
	s.want(ocf.OK, "start", 0)
	load := testkit.StartLoad(t, testkit.LoadConfig{Address: s.address(), KeepAlive: 2, Fresh: 2, Pause: 2 * time.Millisecond})
	load.Await(50)
	master := s.master()
	for _, word := range []string{"two", "three"} {
		s.write(word)
		s.want(ocf.OK, map[string]string{"two": "reload-agent", "three": "reload"}[word], 0)
		s.answers(word)
	}
	s.put("global\n    no such keyword\n")
	// A failure would have Pacemaker stop it.
	if r := s.do("reload-agent", 0); r.Code != ocf.OK || !strings.Contains(r.Reason, "keeps running with the previous") {
		t.Errorf("a bad file: %+v", r)
	}
	s.answers("three")
	s.want(ocf.OK, "monitor", 0)
	if reason := s.want(ocf.Degraded, "monitor", 10); !strings.Contains(reason, "keeps running with the previous") {
		t.Errorf("the reason is %q", reason)
	}
	if reason := s.want(ocf.Degraded, "monitor", 20); !strings.Contains(reason, "would refuse") {
		t.Errorf("the reason is %q", reason)
	}
	s.write("four")
	s.want(ocf.OK, "reload-agent", 0)
	s.answers("four")
	s.want(ocf.OK, "monitor", 20)
	// What was refused is over as well when somebody else has HAProxy reload.
	s.put("global\n    no such keyword\n")
	s.do("reload-agent", 0)
	s.want(ocf.Degraded, "monitor", 10)
	s.write("five")
	s.signal(syscall.SIGUSR2, master)
	testkit.Eventually(t, patience, func() error {
		got, err := s.get()
		if err == nil && got != "five" {
			err = fmt.Errorf("HAProxy answers %q", got)
		}
		return err
	})
	s.want(ocf.OK, "monitor", 10)
	if now := s.master(); now != master {
		t.Errorf("the master is process %d, was %d", now, master)
	}
	if r := load.Stop(); r.Failed > 0 {
		t.Errorf("%d of %d requests failed: %v", r.Failed, r.Requests, r.Errors)
	}
}

func TestMonitorAsksTheThalassaAgent(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	s.parameters["agent_url"] = "http://127.0.0.1:1"
	var wrong []string
	var err error
	s.health = func(_ context.Context, url string) ([]string, error) {
		if url != "http://127.0.0.1:1" {
			t.Errorf("%s was asked", url)
		}
		return wrong, err
	}
	s.want(ocf.OK, "monitor", 10)
	wrong = []string{"Consul does not answer"}
	s.want(ocf.OK, "monitor", 0)
	for _, level := range []int{10, 20} {
		if reason := s.want(ocf.Degraded, "monitor", level); !strings.Contains(reason, "Consul does not answer") {
			t.Errorf("the reason is %q", reason)
		}
	}
	err = errors.New("nobody there")
	if reason := s.want(ocf.Degraded, "monitor", 10); !strings.Contains(reason, "nobody there") {
		t.Errorf("the reason is %q", reason)
	}
	s.want(ocf.OK, "stop", 0) // whatever the agent says
}

func TestDepths(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one", "http-request deny deny_status 503 if { path /sick }")
	// The deny must come before the answer.
	config, err := os.ReadFile(s.path("haproxy.cfg"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(config), "\n")
	for i, line := range lines {
		if strings.Contains(line, "deny") {
			lines = append(lines[:i], lines[i+1:]...)
			for j, other := range lines {
				if strings.Contains(other, "http-request return") {
					lines = append(lines[:j], append([]string{line}, lines[j:]...)...)
					break
				}
			}
			break
		}
	}
	s.put(strings.Join(lines, "\n"))
	s.want(ocf.OK, "start", 0)
	s.parameters["check_url"] = "http://" + s.address() + "/well"
	s.want(ocf.OK, "monitor", 20)
	s.parameters["check_url"] = "http://" + s.address() + "/sick"
	s.want(ocf.OK, "monitor", 10)
	if reason := s.want(ocf.Degraded, "monitor", 20); !strings.Contains(reason, "503") {
		t.Errorf("the reason is %q", reason)
	}
	s.parameters["check_url"] = "http://127.0.0.1:1/"
	s.want(ocf.Generic, "monitor", 20)

	s.timeout = 2 * time.Second
	freeze(t, s.workers()...)
	s.want(ocf.Generic, "monitor", 0)
	s.timeout = patience
}

func TestAFrontendThatDoesNotListenIsAFailureAtDepth10(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	s.write("one")
	s.want(ocf.OK, "start", 0)
	conn, err := net.Dial("unix", s.path("stats"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("disable frontend web; shutdown frontend web\n")); err != nil {
		t.Fatal(err)
	}
	testkit.Eventually(t, patience, func() error {
		if _, err := s.get(); err == nil {
			return errors.New("it still listens")
		}
		return nil
	})
	_ = conn.Close()
	s.want(ocf.OK, "monitor", 0)
	if reason := s.want(ocf.Generic, "monitor", 10); !strings.Contains(reason, s.address()) {
		t.Errorf("the reason is %q", reason)
	}
}

func TestUnknownActions(t *testing.T) {
	t.Parallel()
	s := newFixture(t)
	for _, action := range []string{"promote", "notify", "migrate_to", ""} {
		s.want(ocf.Unimplemented, action, 0)
	}
}
