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
// fixture's own Process.
func besidePacemaker(owner *fixture) *haproxy.Process {
	return owner.another(func(c *haproxy.Config) { c.Mode = haproxy.Pacemaker })
}

// TestIdle: where HAProxy does not run, the file is kept for its start.
func TestIdle(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	p := besidePacemaker(fx)
	for _, word := range []string{"one", "two", "two"} {
		out, err := p.Apply(t.Context(), fx.config(word), word)
		if err != nil || !out.Idle || out.Started || out.Reloaded {
			t.Errorf("%+v, %v", out, err)
		}
		if got := fx.file(fx.cfg.ConfigPath); got != string(fx.config(word)) {
			t.Errorf("the file on disk is not that of %s:\n%s", word, got)
		}
	}
	if _, err := p.Apply(t.Context(), []byte("garbage\n"), ""); !errors.As(err, new(*lb.RefusedError)) {
		t.Errorf("a bad configuration: %v", err)
	}
	if err := p.Install(t.Context(), fx.config("three")); err != nil || fx.file(fx.cfg.ConfigPath) != string(fx.config("three")) {
		t.Errorf("after an edit by hand: %v, %s", err, fx.file(fx.cfg.ConfigPath))
	}
	if fx.state().Running {
		t.Error("HAProxy was started")
	}
	if err := p.Resume(t.Context()); err == nil {
		t.Error("it was resumed")
	}
	if err := p.Stop(t.Context()); err == nil {
		t.Error("it may be stopped")
	}
	fx.tidy()

	if err := fx.Resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	fx.agree("three")
	if out, err := p.Apply(t.Context(), fx.config("four"), "four"); err != nil || !out.Reloaded || out.Idle {
		t.Errorf("once it runs: %+v, %v", out, err)
	}
	fx.agree("four")
}

// TestComingAndGoing of a HAProxy that Pacemaker starts and stops is told, and is
// no error.
func TestComingAndGoing(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	p := besidePacemaker(fx)
	exits := fx.run(p)
	for range 2 {
		fx.apply("one")
		if e := fx.exit(exits); !e.Appeared || e.Restarted || e.WorkerPID != fx.state().WorkerPID {
			t.Errorf("it has come: %+v", e)
		}
		if err := fx.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if e := fx.exit(exits); e.Appeared || e.Restarted || e.Err != nil {
			t.Errorf("it has gone: %+v", e)
		}
	}
	if state, err := p.State(t.Context()); err != nil || state.Running {
		t.Errorf("%+v, %v", state, err)
	}
}

// TestReloadOfTheFile is what a resource agent does.
func TestReloadOfTheFile(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		if err := fx.Reload(t.Context()); !errors.As(err, new(*lb.UnavailableError)) {
			t.Errorf("no file: %v", err)
		}
		fx.apply("one")
		before := fx.state()
		fx.put("two")
		if err := fx.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
		fx.agree("two")
		if after := fx.state(); after.MasterPID != before.MasterPID || after.WorkerPID == before.WorkerPID {
			t.Errorf("before %+v, after %+v", before, after)
		}
		if got := fx.file(fx.cfg.ConfigPath + ".last-good"); got != string(fx.config("two")) {
			t.Errorf("the last good file is %s", got)
		}
		if err := os.WriteFile(fx.cfg.ConfigPath, []byte("garbage\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := fx.Reload(t.Context()); !errors.As(err, new(*lb.RefusedError)) {
			t.Errorf("a bad file: %v", err)
		}
		if got, err := fx.get(); err != nil || got != "two" {
			t.Errorf("a client got %q, %v", got, err)
		}
		if err := fx.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		fx.put("one")
		if err := fx.Reload(t.Context()); !errors.As(err, new(*lb.UnavailableError)) {
			t.Errorf("it does not run: %v", err)
		}
	})
}

// TestReloadOfTheFileWithATakenAddress: HAProxy would refuse connections for two
// seconds.
func TestReloadOfTheFileWithATakenAddress(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.apply("good")
	config, other := fx.takenAddress()
	if err := os.WriteFile(fx.cfg.ConfigPath, config, 0o600); err != nil {
		t.Fatal(err)
	}
	fx.refusedUntried(fx.Reload(t.Context()), other)
	_ = other.Close()
	if err := fx.Reload(t.Context()); err != nil {
		t.Errorf("once the address is free: %v", err)
	}
	if state := fx.state(); state.Fingerprint != "bad" {
		t.Errorf("once the address is free: %+v", state)
	}
}

// put makes the configuration of a word the file on disk.
func (fx *fixture) put(word string) {
	fx.t.Helper()
	fx.edit(fx.config(word))
}

func TestSilent(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	if _, err := fx.Silent(t.Context()); err == nil {
		t.Error("there is no file")
	}
	fx.apply("one")
	if address, err := fx.Silent(t.Context()); err != nil {
		t.Errorf("%s: %v", address, err)
	}
	// What is only on disk yet is nobody's fault.
	newer := strings.Replace(string(fx.config("one")), fx.address(), "127.0.0.1:1", 1)
	if err := os.WriteFile(fx.cfg.ConfigPath, []byte(newer), 0o600); err != nil {
		t.Fatal(err)
	}
	if address, err := fx.Silent(t.Context()); err != nil {
		t.Errorf("%s: %v", address, err)
	}
	if err := fx.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if address, err := fx.Silent(t.Context()); address != fx.address() || !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%s: %v", address, err)
	}
}

// TestStopFindsAWorkerThatHasLostItsMaster, and which no socket leads to.
func TestStopFindsAWorkerThatHasLostItsMaster(t *testing.T) {
	each(t, func(fx *fixture) {
		fx.apply("one")
		state := fx.state()
		testkit.Freeze(fx.t, state.WorkerPID)
		fx.kill(state.MasterPID)
		if err := fx.another(nil).Stop(fx.t.Context()); err != nil {
			fx.t.Error(err)
		}
		if alive(state.WorkerPID) {
			fx.t.Error("the worker lives")
		}
	})
}
