package e2e_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"thalassa/internal/testkit"
)

// A demo is a running `thalassa dev` with a folder of its own for everything it
// makes.
type demo struct {
	tb       testing.TB
	tmp      string
	web, api int
	cmd      *exec.Cmd
	exit     chan struct{}
	out      *testkit.Log
}

func startDemo(tb testing.TB) *demo {
	tb.Helper()
	haproxy := testkit.HAProxy(tb)
	consul := testkit.ConsulBinary(tb)
	tmp, err := os.MkdirTemp("", "e2e-dev-") //nolint:usetesting // short: a socket's path has 107 bytes
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = os.RemoveAll(tmp) })
	ports := testkit.Ports(tb, 2)
	d := &demo{tb: tb, tmp: tmp, web: ports[0], api: ports[1], out: &testkit.Log{}, exit: make(chan struct{})}
	d.cmd = exec.Command(build(tb), "dev", "--web-port", strconv.Itoa(d.web), "--port", strconv.Itoa(d.api), "--consul-binary", consul, "--haproxy-binary", haproxy)
	d.cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	d.cmd.Stdout, d.cmd.Stderr = d.out, d.out
	if err := d.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	go func() {
		_ = d.cmd.Wait()
		close(d.exit)
	}()
	tb.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		<-d.exit
	})
	return d
}

// leavesNothing waits until no process, port or file of the demo is left.
func (d *demo) leavesNothing() {
	d.tb.Helper()
	testkit.Eventually(d.tb, patience, func() error {
		if left := processesNaming(d.tmp); len(left) > 0 {
			return fmt.Errorf("processes are left: %v", left)
		}
		for _, port := range []int{d.web, d.api} {
			if conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
				_ = conn.Close()
				return fmt.Errorf("port %d is still open", port)
			}
		}
		if files, err := os.ReadDir(d.tmp); err != nil || len(files) > 0 {
			return fmt.Errorf("files are left: %v (%w)", files, err)
		}
		return nil
	})
}

// processesNaming lists the command lines and environments that hold text, but
// for zombies.
func processesNaming(text string) []string {
	var found []string
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		line, _ := os.ReadFile(dir + "/cmdline")
		env, _ := os.ReadFile(dir + "/environ")
		if len(line) > 0 && bytes.Contains(append(line, env...), []byte(text)) {
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

func TestDemoServesAndLeavesNothingBehind(t *testing.T) {
	for name, end := range map[string]func(d *demo) error{
		"Ctrl-C":               func(d *demo) error { return d.cmd.Process.Signal(os.Interrupt) },
		"closing the terminal": func(d *demo) error { return d.cmd.Process.Signal(syscall.SIGHUP) },
		"kill -9":              func(d *demo) error { return d.cmd.Process.Kill() },
	} {
		t.Run(name, func(t *testing.T) {
			d := startDemo(t)
			n := &node{tb: t, web: d.web, api: d.api}
			testkit.Eventually(t, patience, func() error {
				if !strings.Contains(d.out.String(), "Activity:") {
					return fmt.Errorf("no welcome yet: %s", d.out)
				}
				return nil
			})
			testkit.Eventually(t, patience, func() error {
				body, err := n.get()
				if err != nil || !strings.HasPrefix(body, "demo 1.0.0, instance ") {
					return fmt.Errorf("the frontend answers %q (%w)", body, err)
				}
				return nil
			})
			if err := end(d); err != nil {
				t.Fatal(err)
			}
			d.leavesNothing()
		})
	}
}

// Without the Consul that was named there would be a demo without a service.
func TestDemoNeedsTheConsulThatIsNamed(t *testing.T) {
	tmp := t.TempDir()
	cmd := exec.Command(build(t), "dev", "--haproxy-binary", testkit.HAProxy(t), "--service-reg", "127.0.0.1:1")
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, err := cmd.CombinedOutput()
	if code := exitCode(err); code != 1 || !strings.Contains(string(out), "asking consul: ") || !strings.Contains(string(out), "connection refused") {
		t.Errorf("exit code %d: %s", code, out)
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}

func TestDemoInterruptedWhileItStartsLeavesNothingBehind(t *testing.T) {
	for _, after := range []time.Duration{time.Millisecond, 30 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond} {
		d := startDemo(t)
		<-time.After(after)
		if err := d.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		select {
		case <-d.exit:
		case <-time.After(patience):
			t.Fatalf("interrupted after %s, the demo goes on: %s", after, d.out)
		}
		d.leavesNothing()
	}
}

// The commands that the welcome offers work as they stand.
func TestDemoCommandsWork(t *testing.T) {
	d := startDemo(t)
	testkit.Eventually(t, patience, func() error {
		if !strings.Contains(d.out.String(), "Activity:") {
			return fmt.Errorf("no welcome yet: %s", d.out)
		}
		return nil
	})
	var commands []string
	for line := range strings.SplitSeq(d.out.String(), "\n") {
		if rest, ok := strings.CutPrefix(line, "  "); ok && (strings.HasPrefix(rest, "for ") || strings.HasPrefix(rest, build(t))) {
			commands = append(commands, rest)
		}
	}
	if len(commands) != 3 {
		t.Fatalf("the welcome offers %d commands, expected 3: %s", len(commands), d.out)
	}
	for i, want := range []string{"demo 1.0.0, instance", "1.1.0", "demo"} {
		out, err := exec.Command("sh", "-c", commands[i]).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("%s: %v, expected %q in\n%s", commands[i], err, want, out)
		}
	}
	n := &node{tb: t, web: d.web, api: d.api}
	if body, err := n.get(); err != nil || !strings.HasPrefix(body, "demo 1.1.0, instance ") {
		t.Errorf("after the deploy the frontend answers %q (%v)", body, err)
	}
}
