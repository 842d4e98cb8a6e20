package services_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"thalassa/internal/testkit"
	"thalassa/services"
)

// host is a node whose programs and processes are files: the program that starts services makes
// a process, and the one that stops them ends it.
type host struct {
	dir string
	services.Config
}

// newHost makes a host with systemd, or with init scripts.
func newHost(t *testing.T, systemd bool) host {
	t.Helper()
	dir := t.TempDir()
	h := host{dir, services.Config{
		Systemd: filepath.Join(dir, "systemd"), Path: filepath.Join(dir, "bin") + ":/usr/bin:/bin", Proc: filepath.Join(dir, "proc"),
		Links: filepath.Join(dir, "rc2.d"), AuthKey: filepath.Join(dir, "authkey"),
	}}
	for _, name := range []string{"bin", "proc", "rc2.d"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	const act = `
		case $2 in corosync) daemon=corosync pid=100;; pacemaker) daemon=pacemakerd pid=200;; *) exit 4;; esac
		echo "$1 $2" >>DIR/log
		case $1 in
		start) mkdir -p DIR/proc/$pid && printf 'Name:\t%s\nState:\tS (sleeping)\nUid:\t0\t0\t0\t0\nNSpid:\t%s\n' $daemon $pid >DIR/proc/$pid/status;;
		stop) rm -r DIR/proc/$pid;;
		enable|defaults) : >DIR/rc2.d/S01$2;;
		disable) rm -f DIR/rc2.d/S01$2;;
		is-enabled) [ -e DIR/rc2.d/S01$2 ];;
		esac`
	if systemd {
		if err := os.Mkdir(h.Systemd, 0o750); err != nil {
			t.Fatal(err)
		}
		h.program(t, "systemctl", `[ "$2" != --quiet ] || set -- "$1" "$3"`+act)
	} else {
		h.program(t, "service", `set -- "$2" "$1"`+act)
		h.program(t, "update-rc.d", `set -- "$2" "$1"`+act)
	}
	return h
}

// program replaces a program.
func (h host) program(t *testing.T, name, script string) {
	t.Helper()
	text := "#!/bin/sh\n" + strings.ReplaceAll(script, "DIR", h.dir) + "\n"
	if err := testkit.WriteProgram(filepath.Join(h.dir, "bin", name), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// process adds a process of root.
func (h host) process(t *testing.T, pid, name, state, ids string) {
	t.Helper()
	h.processOf(t, "0", pid, name, state, ids)
}

// processOf adds a process of a user.
func (h host) processOf(t *testing.T, uid, pid, name, state, ids string) {
	t.Helper()
	dir := filepath.Join(h.Proc, pid)
	if err := os.Mkdir(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), []byte("Name:\t"+name+"\nState:\t"+state+"\nUid:\t"+uid+"\t0\t0\t0\nNSpid:\t"+ids+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// orders are those that the host's programs got.
func (h host) orders(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(h.dir, "log"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var out []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "is-enabled") {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return strings.Join(out, ", ")
}

// What was done is done once: systemd sees to that itself. The answer is what is seen.
func TestStartAndStop(t *testing.T) {
	t.Parallel()
	for name, systemd := range map[string]bool{"systemd": true, "init scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHost(t, systemd)
			c := services.New(h.Config)
			for range 2 {
				if err := c.Start(t.Context(), services.Corosync); err != nil {
					t.Fatal(err)
				}
				if err := c.Enable(t.Context(), services.Corosync); err != nil {
					t.Fatal(err)
				}
			}
			if s, err := c.State(t.Context(), services.Corosync); err != nil || !s.Running || !s.Enabled || len(s.Daemons) != 1 {
				t.Errorf("%+v, %v", s, err)
			}
			if s, err := c.State(t.Context(), services.Pacemaker); err != nil || s.Running || s.Enabled {
				t.Errorf("%+v, %v", s, err)
			}
			for range 2 {
				if err := c.Stop(t.Context(), services.Corosync); err != nil {
					t.Fatal(err)
				}
				if err := c.Disable(t.Context(), services.Corosync); err != nil {
					t.Fatal(err)
				}
			}
			if s, err := c.State(t.Context(), services.Corosync); err != nil || s.Running || s.Enabled {
				t.Errorf("%+v, %v", s, err)
			}
			want := "start corosync, enable corosync, start corosync, stop corosync, disable corosync, stop corosync" // systemd does each once
			if !systemd {
				want = "start corosync, defaults corosync, enable corosync, stop corosync, disable corosync"
			}
			if got := h.orders(t); got != want {
				t.Errorf("got %q, expected %q", got, want)
			}
		})
	}
}

// A program that says that all is well, while nothing happens, is not believed, and neither is
// one that fails.
func TestEffectCounts(t *testing.T) {
	t.Parallel()
	h := newHost(t, true)
	c := services.New(h.Config)
	h.program(t, "systemctl", "exit 0")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := c.Start(ctx, services.Pacemaker); err == nil || !strings.Contains(err.Error(), "no daemon of it runs") {
		t.Errorf("without effect: %v", err)
	}
	h.process(t, "77", "pacemaker-based", "S (sleeping)", "77")
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := c.Stop(ctx, services.Pacemaker); err == nil || !strings.Contains(err.Error(), "these daemons run: pacemaker-based") {
		t.Errorf("a daemon is left: %v", err)
	}
	h.program(t, "systemctl", "echo no such unit >&2; exit 5")
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := c.Start(ctx, services.Corosync); err == nil || !strings.Contains(err.Error(), "systemctl start corosync: exit status 5: no such unit") {
		t.Errorf("a failure: %v", err)
	}
	if err := os.Remove(filepath.Join(h.dir, "bin", "systemctl")); err != nil {
		t.Fatal(err)
	}
	h.Path = filepath.Join(h.dir, "bin")
	ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := services.New(h.Config).Start(ctx, services.Corosync); err == nil || !strings.Contains(err.Error(), "systemctl is not installed") {
		t.Errorf("without systemctl: %v", err)
	}
}

// systemd is told also where there seems to be nothing to do: a service that runs may be about to
// stop, and one without a process about to start again.
func TestSystemdIsAlwaysTold(t *testing.T) {
	t.Parallel()
	h := newHost(t, true)
	c := services.New(h.Config)
	if err := c.Stop(t.Context(), services.Corosync); err != nil {
		t.Error(err)
	}
	h.process(t, "100", "corosync", "S (sleeping)", "100")
	if err := c.Start(t.Context(), services.Corosync); err != nil {
		t.Error(err)
	}
	if got, want := h.orders(t), "stop corosync, start corosync"; got != want {
		t.Errorf("systemd was told %q, expected %q", got, want)
	}
}

// Whether a service starts with the node is not guessed.
func TestEnabledIsNotGuessed(t *testing.T) {
	t.Parallel()
	h := newHost(t, true)
	for script, known := range map[string]bool{"exit 1": true, "exit 4": true, "exit 3": false, "kill -9 $$": false} {
		h.program(t, "systemctl", script)
		if s, err := services.New(h.Config).State(t.Context(), services.Corosync); (err == nil) != known || s.Enabled {
			t.Errorf("%s: %+v, %v", script, s, err)
		}
	}
}

// Processes of containers and of other users, ended ones and those of other services do not count.
func TestForeignProcesses(t *testing.T) {
	t.Parallel()
	h := newHost(t, true)
	h.process(t, "10", "corosync", "S (sleeping)", "10\t3")
	h.process(t, "11", "corosync", "Z (zombie)", "11")
	h.process(t, "12", "pacemaker-remot", "S (sleeping)", "12")
	h.process(t, "13", "haproxy", "S (sleeping)", "13")
	h.processOf(t, "65534", "14", "corosync", "S (sleeping)", "14") // which any user may start
	h.processOf(t, "65534", "15", "pacemakerd", "S (sleeping)", "15")
	for _, name := range services.Names() {
		if s, err := services.New(h.Config).State(t.Context(), name); err != nil || len(s.Daemons) > 0 {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	if err := services.New(h.Config).Stop(t.Context(), "haproxy"); err == nil || !strings.Contains(err.Error(), "corosync or pacemaker") {
		t.Errorf("another service: %v", err)
	}
}

// A daemon that an init script leaves behind is in another session than the caller, so that Ctrl-C
// at the caller's terminal does not reach it.
func TestDaemonsAreInASessionOfTheirOwn(t *testing.T) {
	t.Parallel()
	h := newHost(t, false)
	h.program(t, "service", `ps -o sid= -p $$ >DIR/session; mkdir -p DIR/proc/100 && printf 'Name:\tcorosync\nState:\tS\nUid:\t0\t0\t0\t0\nNSpid:\t100\n' >DIR/proc/100/status`)
	if err := services.New(h.Config).Start(t.Context(), services.Corosync); err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile(filepath.Join(h.dir, "session"))
	if err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(theirs)) == strconv.Itoa(own) {
		t.Errorf("the init script runs in the session %d of its caller", own)
	}
}
