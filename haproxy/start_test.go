package haproxy_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// TestMain also is the programs that TestOutlivesItsStarter and TestSweep kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv("THALASSA_TEST_STARTER"); dir != "" {
		startAndHang(dir)
		return
	}
	if dir := os.Getenv("THALASSA_TEST_STAGER"); dir != "" {
		checkAndHang(dir)
		return
	}
	os.Exit(m.Run())
}

// startAndHang starts HAProxy with the configuration in a folder, says so and
// waits to be killed.
func startAndHang(dir string) {
	config, err := os.ReadFile(filepath.Join(dir, "wanted.cfg"))
	if err == nil {
		_, err = haproxy.New(paths(dir)).Apply(context.Background(), config, "one")
	}
	fmt.Println("started:", err)
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
}

func TestOutlivesItsStarter(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	if err := os.WriteFile(filepath.Join(l.dir, "wanted.cfg"), l.config("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=none")
	cmd.Env = append(os.Environ(), "THALASSA_TEST_STARTER="+l.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil || line != "started: <nil>\n" {
		t.Errorf("the starter says %q, %v", line, err)
	}
	before := l.state()
	// The whole group, as a service manager or a terminal does it.
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the starter was not killed")
	}
	if after := l.state(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	l.agree("one")
	out := l.apply("two")
	if !out.Reloaded || l.state().MasterPID != before.MasterPID {
		t.Errorf("not adopted: %+v", out)
	}
}

// TestNothingIsInherited: neither the environment nor a terminal.
func TestNothingIsInherited(t *testing.T) {
	t.Setenv("CONSUL_HTTP_TOKEN", "secret")
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	l.apply("two")
	state := l.state()
	for _, pid := range []int{state.MasterPID, state.WorkerPID} {
		if env := l.file(fmt.Sprintf("/proc/%d/environ", pid)); strings.Contains(env, "secret") || !strings.Contains(env, "PATH=") {
			t.Errorf("the environment of %d is %q", pid, env)
		}
		in, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/0", pid))
		if pid == state.MasterPID && (err != nil || in != os.DevNull) {
			t.Errorf("standard input is %q, %v", in, err)
		}
	}
}

// TestStaleTraces: what a killed HAProxy leaves behind, with its process id
// given to another program.
func TestStaleTraces(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.apply("one")
		l.kill(l.state().MasterPID)
		for _, pid := range []string{"", "1\n", strconv.Itoa(os.Getpid()) + "\n", "99999999\n", "-1\n", "x\n"} {
			if pid != "" {
				if err := os.WriteFile(l.cfg.PIDPath, []byte(pid), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range []*haproxy.Process{l.Process, l.another(nil)} {
				state, err := p.State(t.Context())
				if err == nil && state.MasterPID != 0 {
					t.Errorf("with pid file %q: %+v", pid, state)
				}
			}
		}
		l.apply("two")
		if got := strings.TrimSpace(l.file(l.cfg.PIDPath)); got != strconv.Itoa(l.state().MasterPID) {
			t.Errorf("the pid file holds %s, the state is %+v", got, l.state())
		}
	})
}

// TestSomebodyElsesHAProxy answers on our stats socket, without a master. It is
// neither replaced, which would split the traffic, nor taken for ours.
func TestSomebodyElsesHAProxy(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	path := filepath.Join(l.dir, "other.cfg")
	if err := os.WriteFile(path, l.config("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(l.cfg.Binary, "-db", "-f", path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	testkit.Eventually(t, patience, func() error { _, err := l.get(); return err })
	for _, mode := range []haproxy.Mode{haproxy.Managed, haproxy.External} {
		p := l.another(func(c *haproxy.Config) { c.Mode = mode })
		_, err := p.Apply(t.Context(), l.config("one"), "one")
		if !errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) {
			t.Errorf("%s: got %v", mode, err)
		}
	}
	state := l.state()
	if !state.Running || state.MasterPID != 0 || state.WorkerPID != cmd.Process.Pid || state.Fingerprint != "other" {
		t.Errorf("%+v", state)
	}
	if got, err := l.get(); err != nil || got != "other" {
		t.Errorf("a client got %q, %v", got, err)
	}
}

// TestSudo: with a sudo that notes how it was called.
func TestSudo(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	bin, calls := t.TempDir(), filepath.Join(l.dir, "calls")
	script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$*\" >>%s\n[ ! -e %s/refuse ] || { echo 'sudo: a password is required' >&2; exit 1; }\nshift 2\n\"$@\"\n", calls, bin)
	if err := os.WriteFile(filepath.Join(bin, "sudo"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	l.cfg.Sudo = true
	l.Process = l.another(nil)
	exits := l.run(l.Process)
	l.apply("one")
	l.apply("two")
	l.kill(l.state().MasterPID)
	l.restarted(exits)
	l.agree("two")
	binary, _ := exec.LookPath(l.cfg.Binary)
	var checks, starts int
	for line := range strings.Lines(l.file(calls)) {
		if strings.HasPrefix(line, "-n -- "+binary+" -c -f "+l.dir) {
			checks++
		}
		if strings.HasPrefix(line, fmt.Sprintf("-n -- %s -W -S %s,mode,600,uid,%d ", binary, l.cfg.MasterSocket, os.Getuid())) {
			starts++
		}
	}
	if checks != 2 || starts != 2 {
		t.Errorf("%d checks and %d starts:\n%s", checks, starts, l.file(calls))
	}

	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "refuse"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := l.Apply(t.Context(), l.config("three"), "three")
	if err == nil || errors.As(err, new(*lb.RefusedError)) || !strings.Contains(err.Error(), "a password is required") {
		t.Errorf("sudo's refusal: %v", err)
	}
}

func TestStartupLogIsKeptShort(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("one")
	if err := os.WriteFile(l.cfg.StartupLog, bytes.Repeat([]byte("[ALERT]    (1) : old words\n"), 60_000), 0o600); err != nil {
		t.Fatal(err)
	}
	l.apply("two")
	if size := len(l.file(l.cfg.StartupLog)); size > 10_000 {
		t.Errorf("the log is %d bytes long", size)
	}
	_, err := l.Apply(t.Context(), l.config("bad", "ulimit-n 2000000000"), "bad")
	var refused *lb.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Output, "Cannot raise FD limit") || strings.Contains(refused.Output, "old words") {
		t.Errorf("got %v", err)
	}
}

// TestWithoutStartupLog HAProxy 2.6 says nothing, and the refusal says what was
// seen.
func TestWithoutStartupLog(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		l.cfg.StartupLog = ""
		l.Process = l.another(nil)
		l.apply("one")
		_, err := l.Apply(t.Context(), l.config("bad", "ulimit-n 2000000000"), "bad")
		var refused *lb.RefusedError
		if !errors.As(err, &refused) || refused.Output == "" {
			t.Errorf("got %v", err)
		}
		l.agree("one")
	})
}

// TestHangingStart: a binary that never serves is ended, and the file taken
// back.
func TestHangingStart(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	script := filepath.Join(t.TempDir(), "haproxy")
	pid := filepath.Join(l.dir, "script-pid")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ \"$1\" = -W ] || exit 0\necho $$ >"+pid+"\nexec sleep 1000\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	p := l.another(func(c *haproxy.Config) { c.Binary, c.ReloadTimeout = script, 300*time.Millisecond })
	_, err := p.Apply(t.Context(), l.config("one"), "one")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(l.file(pid)))
	if err != nil {
		t.Fatal(err)
	}
	l.gone(n)
	if _, err := os.Stat(l.cfg.ConfigPath); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}
