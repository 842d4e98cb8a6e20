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
	if len(os.Args) == 2 && os.Args[1] == "-v" { // of a test that is HAProxy's master itself
		fmt.Println("HAProxy version 2.8.10 2024/06/14 - https://haproxy.org/")
		return
	}
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
	fx := newFixture(t, testkit.HAProxy(t))
	if err := os.WriteFile(filepath.Join(fx.dir, "wanted.cfg"), fx.config("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=none")
	cmd.Env = append(os.Environ(), "THALASSA_TEST_STARTER="+fx.dir)
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
	before := fx.state()
	// The whole group, as a service manager or a terminal does it.
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the starter was not killed")
	}
	if after := fx.state(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	fx.agree("one")
	out := fx.apply("two")
	if !out.Reloaded || fx.state().MasterPID != before.MasterPID {
		t.Errorf("not adopted: %+v", out)
	}
}

// TestNothingIsInherited: neither the environment nor a terminal.
func TestNothingIsInherited(t *testing.T) {
	t.Setenv("CONSUL_HTTP_TOKEN", "secret")
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	fx.apply("two")
	state := fx.state()
	for _, pid := range []int{state.MasterPID, state.WorkerPID} {
		if env := fx.file(fmt.Sprintf("/proc/%d/environ", pid)); strings.Contains(env, "secret") || !strings.Contains(env, "PATH=") {
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
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("one")
		fx.kill(fx.state().MasterPID)
		for _, pid := range []string{"", "1\n", strconv.Itoa(os.Getpid()) + "\n", "99999999\n", "-1\n", "x\n"} {
			if pid != "" {
				if err := os.WriteFile(fx.cfg.PIDPath, []byte(pid), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			for _, p := range []*haproxy.Process{fx.Process, fx.another(nil)} {
				state, err := p.State(t.Context())
				if err == nil && state.MasterPID != 0 {
					t.Errorf("with pid file %q: %+v", pid, state)
				}
			}
		}
		fx.apply("two")
		if got := strings.TrimSpace(fx.file(fx.cfg.PIDPath)); got != strconv.Itoa(fx.state().MasterPID) {
			t.Errorf("the pid file holds %s, the state is %+v", got, fx.state())
		}
	})
}

// TestSomebodyElsesHAProxy answers on our stats socket, without a master. It is
// neither replaced, which would split the traffic, nor taken for ours.
func TestSomebodyElsesHAProxy(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	path := filepath.Join(fx.dir, "other.cfg")
	if err := os.WriteFile(path, fx.config("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(fx.cfg.Binary, "-db", "-f", path)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	testkit.Eventually(t, patience, func() error { _, err := fx.get(); return err })
	for _, mode := range []haproxy.Mode{haproxy.Managed, haproxy.External} {
		p := fx.another(func(c *haproxy.Config) { c.Mode = mode })
		_, err := p.Apply(t.Context(), fx.config("one"), "one")
		if !errors.As(err, new(*lb.UnavailableError)) || !strings.Contains(err.Error(), strconv.Itoa(cmd.Process.Pid)) {
			t.Errorf("%s: got %v", mode, err)
		}
	}
	state := fx.state()
	if !state.Running || state.MasterPID != 0 || state.WorkerPID != cmd.Process.Pid || state.Fingerprint != "other" {
		t.Errorf("%+v", state)
	}
	if got, err := fx.get(); err != nil || got != "other" {
		t.Errorf("a client got %q, %v", got, err)
	}
}

// TestSudo: with a sudo that notes how it was called.
func TestSudo(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	bin, calls := t.TempDir(), filepath.Join(fx.dir, "calls")
	script := fmt.Sprintf("#!/bin/sh\nprintf '%%s\\n' \"$*\" >>%s\n[ ! -e %s/refuse ] || { echo 'sudo: a password is required' >&2; exit 1; }\nshift 2\n\"$@\"\n", calls, bin)
	if err := testkit.WriteProgram(filepath.Join(bin, "sudo"), []byte(script)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	fx.cfg.Sudo = true
	fx.Process = fx.another(nil)
	exits := fx.run(fx.Process)
	fx.apply("one")
	fx.apply("two")
	fx.kill(fx.state().MasterPID)
	fx.restarted(exits)
	fx.agree("two")
	binary, _ := exec.LookPath(fx.cfg.Binary)
	var checks, starts int
	for line := range strings.Lines(fx.file(calls)) {
		if strings.HasPrefix(line, "-n -- "+binary+" -c -f "+fx.dir) {
			checks++
		}
		if strings.HasPrefix(line, fmt.Sprintf("-n -- %s -W -S %s,mode,600,uid,%d ", binary, fx.cfg.MasterSocket, os.Getuid())) {
			starts++
		}
	}
	if checks != 2 || starts != 2 {
		t.Errorf("%d checks and %d starts:\n%s", checks, starts, fx.file(calls))
	}

	if err := fx.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, "refuse"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := fx.Apply(t.Context(), fx.config("three"), "three")
	if err == nil || errors.As(err, new(*lb.RefusedError)) || !strings.Contains(err.Error(), "a password is required") {
		t.Errorf("sudo's refusal: %v", err)
	}
}

func TestStartupLogIsKeptShort(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	if err := os.WriteFile(fx.cfg.StartupLog, bytes.Repeat([]byte("[ALERT]    (1) : old words\n"), 60_000), 0o600); err != nil {
		t.Fatal(err)
	}
	fx.apply("two")
	if size := len(fx.file(fx.cfg.StartupLog)); size > 10_000 {
		t.Errorf("the log is %d bytes long", size)
	}
	_, err := fx.Apply(t.Context(), fx.config("bad", "ulimit-n 2000000000"), "bad")
	var refused *lb.RefusedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Output, "Cannot raise FD limit") || strings.Contains(refused.Output, "old words") {
		t.Errorf("got %v", err)
	}
}

// TestWithoutStartupLog HAProxy 2.6 says nothing, and the refusal says what was
// seen.
func TestWithoutStartupLog(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.cfg.StartupLog = ""
		fx.Process = fx.another(nil)
		fx.apply("one")
		_, err := fx.Apply(t.Context(), fx.config("bad", "ulimit-n 2000000000"), "bad")
		var refused *lb.RefusedError
		if !errors.As(err, &refused) || refused.Output == "" {
			t.Errorf("got %v", err)
		}
		fx.agree("one")
	})
}

// TestHangingStart: a binary that never serves is ended, and the file taken
// back.
func TestHangingStart(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	script := filepath.Join(t.TempDir(), "haproxy")
	pid := filepath.Join(fx.dir, "script-pid")
	if err := testkit.WriteProgram(script, []byte("#!/bin/sh\n"+answersV+"[ \"$1\" = -W ] || exit 0\necho $$ >"+pid+"\nexec sleep 1000\n")); err != nil {
		t.Fatal(err)
	}
	p := fx.another(func(c *haproxy.Config) { c.Binary, c.ReloadTimeout = script, 300*time.Millisecond })
	_, err := p.Apply(t.Context(), fx.config("one"), "one")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(fx.file(pid)))
	if err != nil {
		t.Fatal(err)
	}
	fx.gone(n)
	if _, err := os.Stat(fx.cfg.ConfigPath); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is there: %v", err)
	}
}
