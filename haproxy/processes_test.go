package haproxy_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/statsock"
)

// newStickyFixture is a fixture in a directory that everybody may write to, like /tmp.
func newStickyFixture(t *testing.T, edit func(*haproxy.Config)) *fixture {
	t.Helper()
	testkit.NeedsRoot(t)
	fx := newFixture(t, testkit.HAProxy(t))
	if err := os.Chmod(fx.dir, 0o777|os.ModeSticky); err != nil { //nolint:gosec // a sticky one
		t.Fatal(err)
	}
	if edit != nil {
		edit(&fx.cfg)
		fx.Process = haproxy.New(fx.cfg)
	}
	return fx
}

// victim is a process of root's that waits, with a child of its own, and args.
func victim(t *testing.T, credential *syscall.Credential, args ...string) (pid, child int) {
	t.Helper()
	cmd := exec.Command("/bin/sh", append([]string{"-c", "sleep 1000 & echo $!; wait"}, args...)...) //nolint:gosec // the test's own words
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential, Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if child, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, child
}

// lives checks that nobody has ended some processes.
func lives(t *testing.T, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if !alive(pid) {
			t.Errorf("process %d was ended", pid)
		}
	}
}

// forge answers show proc, and show info, with processes of one's choice.
func forge(t *testing.T, fx net.Listener, master, worker int) {
	t.Helper()
	go func() {
		for {
			conn, err := fx.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			switch {
			case strings.Contains(line, "show proc"):
				fmt.Fprintf(conn, "#<PID> <type> <reloads> <uptime> <version>\n%d master 0 0d00h00m01s 2.6.12\n# workers\n%d worker 0 0d00h00m01s 2.6.12\n# programs\n\n", master, worker)
			case strings.Contains(line, "show info"):
				fmt.Fprintf(conn, "Name: HAProxy\nVersion: 2.6.12\nPid: %d\nStopping: 0\n\n", worker)
			}
			_ = conn.Close()
		}
	}()
}

// Whoever is not trusted and listens at the master socket's path has nobody signaled,
// and every answer says whose it is.
func TestStrangersMasterSocket(t *testing.T) {
	fx := newStickyFixture(t, nil)
	pid, child := victim(t, nil)
	listener := testkit.ListenAs(t, testkit.Nobody, fx.cfg.MasterSocket)
	forge(t, listener, pid, child)
	names := func(what, text string) {
		t.Helper()
		for _, part := range []string{fx.cfg.MasterSocket, "nobody (uid 65534)"} {
			if !strings.Contains(text, part) {
				t.Errorf("%s: %q does not say %q", what, text, part)
			}
		}
	}
	if s := fx.state(); s.Running || s.MasterPID != 0 {
		t.Errorf("got %+v", s)
	} else {
		names("State", s.Foreign)
	}
	_, err := fx.Apply(t.Context(), fx.config("one"), "one")
	names("Apply", fmt.Sprint(err))
	names("Resume", fmt.Sprint(fx.Resume(t.Context())))
	if err := fx.Stop(t.Context()); err != nil {
		t.Errorf("Stop, though no HAProxy runs: %v", err)
	}
	if _, err := os.Lstat(fx.cfg.MasterSocket); err != nil {
		t.Errorf("the stranger's socket: %v", err)
	}
	lives(t, pid, child)
	_ = listener.Close() // which removes it
	fx.apply("one")
}

// A stranger who takes the path of a HAProxy that runs cannot have it ended or
// reloaded, nor hinders its end.
func TestStrangerTakesThePath(t *testing.T) {
	fx := newStickyFixture(t, nil)
	fx.apply("one")
	pid, child := victim(t, nil)
	if err := errors.Join(os.Remove(fx.cfg.MasterSocket), os.Remove(fx.cfg.PIDPath)); err != nil {
		t.Fatal(err)
	}
	forge(t, testkit.ListenAs(t, testkit.Nobody, fx.cfg.MasterSocket), pid, child)
	for _, p := range []*haproxy.Process{fx.Process, fx.another(nil)} {
		s, err := p.State(t.Context())
		if err != nil || !s.Running || !s.Answers || s.Fingerprint != "one" || !strings.Contains(s.Foreign, "nobody (uid 65534)") {
			t.Errorf("got %+v, %v", s, err)
		}
	}
	if _, err := fx.Apply(t.Context(), fx.config("two"), "two"); !errors.As(err, new(*statsock.ForeignError)) {
		t.Errorf("got %v", err)
	}
	if got, err := fx.get(); err != nil || got != "one" {
		t.Errorf("a client got %q, %v", got, err)
	}
	master := fx.state().MasterPID
	if err := fx.another(nil).Stop(t.Context()); err != nil {
		t.Error(err)
	}
	fx.gone(master)
	lives(t, pid, child)
}

// Nor is a trusted user believed who names another's processes.
func TestTrustedUserNamesAnother(t *testing.T) {
	fx := newStickyFixture(t, func(cfg *haproxy.Config) { cfg.Users = []uint32{testkit.Nobody} })
	pid, child := victim(t, nil)
	listener := testkit.ListenAs(t, testkit.Nobody, fx.cfg.MasterSocket)
	forge(t, listener, pid, child)
	if err := fx.Stop(t.Context()); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("process %d is not this HAProxy", pid)) {
		t.Errorf("got %v", err)
	}
	lives(t, pid, child)
	_ = listener.Close()
}

// A process with the words of HAProxy's command line is HAProxy only with its program
// and its user, whatever the pid file says.
func TestWordsMakeNoHAProxy(t *testing.T) {
	nobody := &syscall.Credential{Uid: testkit.Nobody, Gid: testkit.Nobody}
	for name, credential := range map[string]*syscall.Credential{"root": nil, "nobody": nobody} {
		t.Run(name, func(t *testing.T) {
			fx := newStickyFixture(t, nil)
			pid, child := victim(t, credential, "haproxy", "-W", "-S", fx.cfg.MasterSocket+",mode,600")
			if err := os.WriteFile(fx.cfg.PIDPath, []byte(strconv.Itoa(pid)), 0o600); err != nil {
				t.Fatal(err)
			}
			if s := fx.state(); s.Running {
				t.Errorf("got %+v", s)
			}
			fx.apply("one")
			if err := fx.Stop(t.Context()); err != nil {
				t.Error(err)
			}
			lives(t, pid, child)
		})
	}
}

// Another user's HAProxy at our paths is neither ours nor ended.
func TestAnotherUsersHAProxy(t *testing.T) {
	fx := newStickyFixture(t, nil)
	config := filepath.Join(fx.dir, "theirs.cfg")
	if err := os.WriteFile(config, fx.config("theirs"), 0o644); err != nil { //nolint:gosec // for another user
		t.Fatal(err)
	}
	cmd := exec.Command(fx.cfg.Binary, "-W", "-S", fx.cfg.MasterSocket+",mode,600", "-f", config) //nolint:gosec // the test's own words
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testkit.Nobody, Gid: testkit.Nobody}}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	testkit.Eventually(t, patience, func() error { _, err := fx.get(); return err })
	testkit.Eventually(t, patience, func() error { // the master listens after its worker
		if s := fx.state(); s.Running || !strings.Contains(s.Foreign, fmt.Sprintf("nobody (uid 65534) listens there (process %d)", cmd.Process.Pid)) {
			return fmt.Errorf("got %+v", s)
		}
		return nil
	})
	if err := fx.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if got, err := fx.get(); err != nil || got != "theirs" {
		t.Errorf("a client got %q, %v", got, err)
	}
	lives(t, cmd.Process.Pid)
	// Their user is named: now it is the one.
	named := fx.another(func(cfg *haproxy.Config) { cfg.Users = []uint32{testkit.Nobody} })
	if s, err := named.State(t.Context()); err != nil || s.MasterPID != cmd.Process.Pid || s.Foreign != "" {
		t.Errorf("got %+v, %v", s, err)
	}
}

// The stats socket of a stranger hinders the start, and says why.
func TestStrangersStatsSocket(t *testing.T) {
	fx := newStickyFixture(t, nil)
	pid, child := victim(t, nil)
	listener := testkit.ListenAs(t, testkit.Nobody, fx.cfg.StatsSocket)
	forge(t, listener, pid, child)
	_, err := fx.Apply(t.Context(), fx.config("one"), "one")
	if err == nil || !strings.Contains(err.Error(), fx.cfg.StatsSocket+": nobody (uid 65534) listens there") {
		t.Errorf("got %v", err)
	}
	if err := fx.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	lives(t, pid, child)
	_ = listener.Close()
}

// copyProgram puts HAProxy's program where an upgrade can replace it.
func copyProgram(t *testing.T, to string) {
	t.Helper()
	data, err := os.ReadFile(testkit.HAProxy(t))
	if err == nil {
		err = testkit.WriteProgram(to+".new", data)
	}
	if err = errors.Join(err, os.Rename(to+".new", to)); err != nil {
		t.Fatal(err)
	}
}

// HAProxy is still known when an upgrade has replaced its program, however that is
// called, and by another spelling of its socket's directory.
func TestKnownAfterUpgradeAndByAnotherSpelling(t *testing.T) {
	for _, name := range []string{"haproxy", "lb"} {
		t.Run(name, func(t *testing.T) {
			target, dir := testkit.SocketDir(t), testkit.SocketDir(t)
			fx := newFixture(t, testkit.HAProxy(t))
			if err := os.Symlink(target, filepath.Join(dir, "l")); err != nil {
				t.Fatal(err)
			}
			fx.cfg.Binary = filepath.Join(fx.dir, name)
			copyProgram(t, fx.cfg.Binary)
			fx.cfg.MasterSocket = filepath.Join(dir, "l/m")
			fx.Process = haproxy.New(fx.cfg)
			fx.apply("one")
			master := fx.state().MasterPID
			copyProgram(t, fx.cfg.Binary)
			fx.cfg.MasterSocket = filepath.Join(target, "m")
			if err := errors.Join(os.Remove(fx.cfg.MasterSocket), os.Remove(fx.cfg.PIDPath)); err != nil {
				t.Fatal(err)
			}
			if err := haproxy.New(fx.cfg).Stop(t.Context()); err != nil {
				t.Error(err)
			}
			fx.gone(master)
		})
	}
}

// A worker that runs as the user of haproxy.cfg and has lost its master is ours: it
// is ended though it hangs.
func TestWorkerOfAnotherUserIsOurs(t *testing.T) {
	testkit.NeedsRoot(t)
	each(t, func(fx *fixture) {
		config := fx.config("one", "user nobody", "group nogroup")
		if _, err := fx.Apply(fx.t.Context(), config, "one"); err != nil {
			fx.t.Fatal(err)
		}
		s := fx.state()
		testkit.Freeze(fx.t, s.WorkerPID)
		fx.kill(s.MasterPID)
		ctx, cancel := context.WithTimeout(fx.t.Context(), patience)
		defer cancel()
		_ = fx.Stop(ctx)
		fx.gone(s.WorkerPID)
	})
}

// What the master has started beside its workers ends with them.
func TestProgramOfTheMasterEnds(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	config := string(fx.config("one")) + "program beside\n    command /bin/sh -c \"trap '' TERM USR1; sleep 1000; :\"\n"
	if err := os.WriteFile(fx.cfg.ConfigPath, []byte(config), 0o600); err != nil { // haproxy -c refuses a program
		t.Fatal(err)
	}
	if err := exec.Command(fx.cfg.Binary, "-W", "-D", "-S", fx.cfg.MasterSocket, "-p", fx.cfg.PIDPath, "-f", fx.cfg.ConfigPath).Run(); err != nil { //nolint:gosec // the test's own words
		t.Fatal(err)
	}
	var s haproxy.State
	testkit.Eventually(t, patience, func() error {
		if s = fx.state(); !s.Answers {
			return errors.New("it does not answer")
		}
		return nil
	})
	var program int
	testkit.Eventually(t, patience, func() error {
		out, _ := exec.Command("pgrep", "-P", strconv.Itoa(s.MasterPID)).Output()
		pids := strings.Fields(string(out))
		i := slices.IndexFunc(pids, func(pid string) bool { return pid != strconv.Itoa(s.WorkerPID) })
		if i < 0 {
			return errors.New("no program runs")
		}
		program, _ = strconv.Atoi(pids[i])
		return nil
	})
	if err := fx.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	fx.gone(program)
}

// A number that belongs to another process by now is not signaled.
func TestNumberUsedAgain(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("one")
	master := fx.state().MasterPID
	if err := fx.SignalBorn(t.Context(), master, "1", syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	lives(t, master)
	fx.agree("one")
}
