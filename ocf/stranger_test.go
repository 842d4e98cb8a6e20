package ocf_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"thalassa/internal/testkit"
	"thalassa/ocf"
)

// newOpenSite is a site in a directory where everybody may make files.
func newOpenSite(t *testing.T) *fixture {
	t.Helper()
	s := newRootsSite(t)
	if err := os.Chmod(s.dir, 0o777|os.ModeSticky); err != nil { //nolint:gosec // a sticky one
		t.Fatal(err)
	}
	return s
}

// sleeper is a process of root's, that waits, with words after it.
func sleeper(t *testing.T, words ...string) int {
	t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", "read forever"}, words...)...) //nolint:gosec // the test's own words
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return cmd.Process.Pid
}

// claim answers each question as a master with a process id.
func claim(l net.Listener, pid int) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_, _ = bufio.NewReader(conn).ReadString('\n')
		fmt.Fprintf(conn, "#<PID> <type> <reloads> <uptime> <version>\n%d master 0 0d00h00m01s 2.6.12\n# workers\n%[1]d worker 0 0d00h00m01s 2.6.12\n\n", pid)
		_ = conn.Close()
	}
}

// Whoever listens at the master socket's path has no process of root's ended, whatever
// it says, and the reason tells whose the socket is.
func TestStrangerHasNothingSignaled(t *testing.T) {
	s := newOpenSite(t)
	victim := sleeper(t)
	l := testkit.ListenAs(t, testkit.Nobody, s.path("master"))
	go claim(l, victim)
	whose := s.path("master") + ": nobody (uid 65534) listens there (process " + strconv.Itoa(os.Getpid()) + ")"
	for _, c := range []struct {
		action string
		code   ocf.Code
	}{{"monitor", ocf.NotRunning}, {"start", ocf.Generic}, {"reload-agent", ocf.NotRunning}} {
		if reason := s.want(c.code, c.action, 0); !strings.Contains(reason, whose) {
			t.Errorf("%s: %q does not say %q", c.action, reason, whose)
		}
	}
	s.want(ocf.OK, "stop", 0) // HAProxy does not run, and the node need not be fenced for that
	if !lives(victim) {
		t.Error("root's process was ended")
	}
	_ = l.Close()
	s.want(ocf.OK, "start", 0)
	s.answers("one")
}

// The same of the one who owns the configuration, and is trusted to run HAProxy: its
// word is no reason to signal another's process.
func TestOwnerHasNothingElseSignaled(t *testing.T) {
	s := newOpenSite(t)
	s.giveAway()
	victim := sleeper(t)
	l := testkit.ListenAs(t, nobody, s.path("master"))
	go claim(l, victim)
	if r := s.do("stop", 0); r.Code != ocf.Generic || !strings.Contains(r.Reason, fmt.Sprintf("process %d is not this HAProxy", victim)) {
		t.Errorf("got %+v", r)
	}
	if !lives(victim) {
		t.Error("root's process was ended")
	}
	_ = l.Close()
}

// A pid file names no process but HAProxy's, and words make no HAProxy.
func TestPIDFileNamesAnother(t *testing.T) {
	s := newOpenSite(t)
	victim := sleeper(t, "haproxy", "-W", "-S", s.path("master")+",mode,600")
	if err := os.WriteFile(s.path("pid"), []byte(strconv.Itoa(victim)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.want(ocf.NotRunning, "monitor", 0)
	s.want(ocf.OK, "stop", 0)
	s.want(ocf.OK, "start", 0)
	s.want(ocf.OK, "stop", 0)
	if !lives(victim) {
		t.Error("root's process was ended")
	}
}

// A stranger that takes the path while HAProxy runs changes nothing of its being
// watched and stopped.
func TestStrangerTakesThePath(t *testing.T) {
	s := newOpenSite(t)
	s.want(ocf.OK, "start", 0)
	victim, master := sleeper(t), s.master()
	if err := errors.Join(os.Remove(s.path("master")), os.Remove(s.path("pid"))); err != nil {
		t.Fatal(err)
	}
	go claim(testkit.ListenAs(t, testkit.Nobody, s.path("master")), victim)
	s.want(ocf.OK, "monitor", 10)
	s.want(ocf.OK, "stop", 0)
	s.closed()
	if lives(master) || !lives(victim) {
		t.Errorf("HAProxy lives: %t, root's process: %t", lives(master), lives(victim))
	}
}

// HAProxy that an earlier owner of the configuration runs is this one still.
func TestOwnerChanges(t *testing.T) {
	s := newRootsSite(t)
	s.giveAway()
	s.want(ocf.OK, "start", 0)
	master := s.master()
	if err := os.Chown(s.path("haproxy.cfg"), 0, 0); err != nil {
		t.Fatal(err)
	}
	s.want(ocf.OK, "monitor", 0)
	s.want(ocf.OK, "stop", 0)
	if lives(master) {
		t.Error("HAProxy lives after the stop")
	}
}
