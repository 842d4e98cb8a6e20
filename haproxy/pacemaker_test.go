package haproxy_test

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// besidePacemaker is a Process of an agent beside a resource agent, which is the
// lab's own Process.
func besidePacemaker(owner *lab) *haproxy.Process {
	return owner.another(func(c *haproxy.Config) { c.Mode = haproxy.Pacemaker })
}

// TestIdle: where HAProxy does not run, the file is kept for its start.
func TestIdle(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	p := besidePacemaker(l)
	for _, word := range []string{"one", "two", "two"} {
		out, err := p.Apply(t.Context(), l.config(word), word)
		if err != nil || !out.Idle || out.Started || out.Reloaded {
			t.Errorf("%+v, %v", out, err)
		}
		if got := l.file(l.cfg.ConfigPath); got != string(l.config(word)) {
			t.Errorf("the file on disk is not that of %s:\n%s", word, got)
		}
	}
	if _, err := p.Apply(t.Context(), []byte("garbage\n"), ""); !errors.As(err, new(*lb.RefusedError)) {
		t.Errorf("a bad configuration: %v", err)
	}
	if err := p.Install(t.Context(), l.config("three")); err != nil || l.file(l.cfg.ConfigPath) != string(l.config("three")) {
		t.Errorf("after an edit by hand: %v, %s", err, l.file(l.cfg.ConfigPath))
	}
	if l.state().Running {
		t.Error("HAProxy was started")
	}
	if err := p.Resume(t.Context()); err == nil {
		t.Error("it was resumed")
	}
	if err := p.Stop(t.Context()); err == nil {
		t.Error("it may be stopped")
	}
	l.tidy()

	if err := l.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.agree("three")
	if out, err := p.Apply(t.Context(), l.config("four"), "four"); err != nil || !out.Reloaded || out.Idle {
		t.Errorf("once it runs: %+v, %v", out, err)
	}
	l.agree("four")
}

// TestComingAndGoing of a HAProxy that Pacemaker starts and stops is told, and is
// no error.
func TestComingAndGoing(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	p := besidePacemaker(l)
	exits := l.run(p)
	for range 2 {
		l.apply("one")
		if e := l.exit(exits); !e.Appeared || e.Restarted || e.WorkerPID != l.state().WorkerPID {
			t.Errorf("it has come: %+v", e)
		}
		if err := l.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := l.exit(exits); e.Appeared || e.Restarted || e.Err != nil {
			t.Errorf("it has gone: %+v", e)
		}
	}
	if state, err := p.State(t.Context()); err != nil || state.Running {
		t.Errorf("%+v, %v", state, err)
	}
}

// TestReloadOfTheFile is what a resource agent does.
func TestReloadOfTheFile(t *testing.T) {
	each(t, func(l *lab) {
		t := l.t
		if err := l.Reload(t.Context()); !errors.As(err, new(*lb.UnavailableError)) {
			t.Errorf("no file: %v", err)
		}
		l.apply("one")
		before := l.state()
		l.put("two")
		if err := l.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.agree("two")
		if after := l.state(); after.MasterPID != before.MasterPID || after.WorkerPID == before.WorkerPID {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if got := l.file(l.cfg.ConfigPath + ".last-good"); got != string(l.config("two")) {
			t.Errorf("the last good file is %s", got)
		}
		if err := os.WriteFile(l.cfg.ConfigPath, []byte("garbage\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.Reload(t.Context()); !errors.As(err, new(*lb.RefusedError)) {
			t.Errorf("a bad file: %v", err)
		}
		if got, err := l.get(); err != nil || got != "two" {
			t.Errorf("a client got %q, %v", got, err)
		}
		if err := l.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		l.put("one")
		if err := l.Reload(t.Context()); !errors.As(err, new(*lb.UnavailableError)) {
			t.Errorf("it does not run: %v", err)
		}
	})
}

// TestReloadOfTheFileWithATakenAddress: HAProxy would refuse connections for two
// seconds.
func TestReloadOfTheFileWithATakenAddress(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	l.apply("good")
	config, other := l.takenAddress()
	if err := os.WriteFile(l.cfg.ConfigPath, config, 0o600); err != nil {
		t.Fatal(err)
	}
	l.refusedUntried(l.Reload(t.Context()), other)
	_ = other.Close()
	if err := l.Reload(t.Context()); err != nil {
		t.Errorf("once the address is free: %v", err)
	}
	if state := l.state(); state.Fingerprint != "bad" {
		t.Errorf("once the address is free: %+v", state)
	}
}

// put makes the configuration of a word the file on disk.
func (l *lab) put(word string) {
	l.t.Helper()
	l.edit(l.config(word))
}

func TestSilent(t *testing.T) {
	l := newLab(t, testkit.HAProxy(t))
	if _, err := l.Silent(t.Context()); err == nil {
		t.Error("there is no file")
	}
	l.apply("one")
	if address, err := l.Silent(t.Context()); err != nil {
		t.Errorf("%s: %v", address, err)
	}
	// What is only on disk yet is nobody's fault.
	newer := strings.Replace(string(l.config("one")), l.address(), "127.0.0.1:1", 1)
	if err := os.WriteFile(l.cfg.ConfigPath, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	if address, err := l.Silent(t.Context()); err != nil {
		t.Errorf("%s: %v", address, err)
	}
	if err := l.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if address, err := l.Silent(t.Context()); address != l.address() || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s: %v", address, err)
	}
}

// TestStopFindsAWorkerThatHasLostItsMaster, and which no socket leads to.
func TestStopFindsAWorkerThatHasLostItsMaster(t *testing.T) {
	each(t, func(l *lab) {
		l.apply("one")
		state := l.state()
		testkit.Freeze(l.t, state.WorkerPID)
		l.kill(state.MasterPID)
		if err := l.another(nil).Stop(l.t.Context()); err != nil {
			l.t.Error(err)
		}
		if alive(state.WorkerPID) {
			l.t.Error("the worker lives")
		}
	})
}
