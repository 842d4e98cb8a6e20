package haproxy_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"thalassa/haproxy"
	"thalassa/internal/testkit"
	"thalassa/lb"
)

// TestDeath kills the master, then the worker, of a HAProxy that was started by
// the Process that watches it.
func TestDeath(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		exits := fx.run(fx.Process)
		fx.apply("one")
		before := fx.state()
		fx.kill(before.MasterPID)
		exit := fx.exit(exits)
		after := fx.state()
		if !exit.Restarted || exit.Err != nil || exit.WorkerPID != after.WorkerPID || !strings.Contains(exit.Cause, "signal: killed") {
			t.Errorf("the master's death: %+v", exit)
		}
		if after.MasterPID == before.MasterPID {
			t.Errorf("%+v is not another master", after)
		}
		fx.agree("one")

		fx.kill(after.WorkerPID)
		exit = fx.restarted(exits)
		if exit.Err != nil || !strings.Contains(exit.Cause, "exited with code 137") {
			t.Errorf("the worker's death: %+v", exit)
		}
		fx.agree("one")
		fx.apply("two")
		if len(exits) != 0 {
			t.Errorf("a reload was taken for a death: %+v", <-exits)
		}
	})
}

// TestDeathOfAnAdoptedHAProxy: nobody waits for it as for a child.
func TestDeathOfAnAdoptedHAProxy(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		fx.apply("one")
		second := fx.another(nil)
		state, err := second.State(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		exits := fx.run(second)
		fx.kill(state.MasterPID)
		exit := fx.exit(exits)
		if !exit.Restarted || exit.Err != nil || !strings.Contains(exit.Cause, "is gone") {
			t.Errorf("%+v", exit)
		}
		fx.agree("one")
	})
}

// TestWordsDoNotFillTheDisk: HAProxy writes a line whenever a server goes down or comes
// up, and may run for months without a reload.
func TestWordsDoNotFillTheDisk(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	exits := fx.run(fx.Process)
	fx.apply("one")
	const line = "[WARNING]  (7) : Server b/s2 is DOWN, reason: Layer4 connection problem.\n"
	words, err := os.OpenFile(fx.cfg.StartupLog, os.O_WRONLY|os.O_APPEND, 0) // as HAProxy has it
	if err != nil {
		t.Fatal(err)
	}
	defer words.Close()
	for range 2 { // the first look at a HAProxy empties it, too
		if _, err := words.WriteString(strings.Repeat(line, (2<<20)/len(line))); err != nil {
			t.Fatal(err)
		}
		testkit.Eventually(t, patience, func() error {
			if n := len(fx.file(fx.cfg.StartupLog)); n > 1<<20 {
				return fmt.Errorf("it has %d bytes", n)
			}
			return nil
		})
	}
	// What comes from then on is still told of.
	if _, err := words.WriteString("[ALERT]  (7) : the last word\n"); err != nil {
		t.Fatal(err)
	}
	fx.kill(fx.state().MasterPID)
	if exit := fx.exit(exits); !strings.Contains(exit.Cause, "the last word") {
		t.Errorf("the cause is %q", exit.Cause)
	}
}

// TestDeathWithABadFile: somebody has edited the file since.
func TestDeathWithABadFile(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	exits := fx.run(fx.Process)
	fx.apply("one")
	for name, bad := range map[string]string{
		"no syntax":      "garbage\n",
		"does not start": string(fx.config("bad", "ulimit-n 2000000000")),
		"no file":        "",
	} {
		if err := os.WriteFile(fx.cfg.ConfigPath, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if bad == "" {
			_ = os.Remove(fx.cfg.ConfigPath)
		}
		fx.kill(fx.state().MasterPID)
		if exit := fx.restarted(exits); exit.WorkerPID == 0 {
			t.Errorf("%s: %+v", name, exit)
		}
		fx.agree("one") // with the last good file in its place
	}
}

// TestDeathWithoutAnyGoodFile: it is told once, and once more when it is over.
func TestDeathWithoutAnyGoodFile(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	exits := fx.run(fx.Process)
	fx.apply("one")
	for _, path := range []string{fx.cfg.ConfigPath, fx.cfg.ConfigPath + ".last-good"} {
		if err := os.WriteFile(path, []byte(path+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	fx.kill(fx.state().MasterPID)
	exit := fx.exit(exits)
	var refused *lb.RefusedError
	if exit.Restarted || exit.WorkerPID != 0 || !errors.As(exit.Err, &refused) || refused.At != "start" {
		t.Errorf("%+v", exit)
	}
	if got := fx.file(fx.cfg.ConfigPath); got != fx.cfg.ConfigPath+"\n" {
		t.Errorf("the file on disk is now %q", got)
	}
	cause := exit.Cause
	if err := os.WriteFile(fx.cfg.ConfigPath, fx.config("repaired"), 0o600); err != nil {
		t.Fatal(err)
	}
	if exit = fx.exit(exits); !exit.Restarted || exit.Err != nil || exit.Cause != cause {
		t.Errorf("%+v", exit)
	}
	fx.agree("repaired")
}

// TestDeathBeforeAnApply: whoever comes first starts it, and it is told.
func TestDeathBeforeAnApply(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	exits := fx.run(fx.Process)
	for _, word := range []string{"one", "two", "three"} {
		fx.apply(word)
		fx.kill(fx.state().MasterPID)
		fx.apply(word + "again")
		fx.restarted(exits)
	}
	fx.apply("end")
}

func TestRunEndsWithoutHAProxyEnding(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- fx.Run(ctx, nil) }()
	fx.apply("one")
	before := fx.state()
	cancel()
	if err := <-done; err != nil {
		t.Errorf("canceled: %v", err)
	}
	if after := fx.state(); after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	fx.agree("one")
}

// TestExternal: HAProxy belongs to somebody else, here to another Process.
func TestExternal(t *testing.T) {
	each(t, func(owner *fixture) {
		t := owner.t
		p := owner.another(func(c *haproxy.Config) { c.Mode = haproxy.External })
		exits := owner.run(p)
		_, err := p.Apply(t.Context(), owner.config("one"), "one")
		if !errors.As(err, new(*lb.UnavailableError)) {
			t.Fatalf("nothing runs: got %v", err)
		}
		if got := owner.file(owner.cfg.ConfigPath); got != string(owner.config("one")) {
			t.Errorf("the file is not installed:\n%s", got)
		}
		if state, err := p.State(t.Context()); err != nil || state.Running {
			t.Errorf("%+v, %v", state, err)
		}
		if err := owner.Resume(t.Context()); err != nil { // the owner's start
			t.Fatal(err)
		}
		owner.agree("one")

		out, err := p.Apply(t.Context(), owner.config("two"), "two")
		if err != nil || !out.Reloaded || out.Started {
			t.Errorf("%+v, %v", out, err)
		}
		owner.agree("two")
		_, err = p.Apply(t.Context(), owner.config("bad", "ulimit-n 2000000000"), "bad")
		if !errors.As(err, new(*lb.RefusedError)) {
			t.Errorf("got %v", err)
		}
		owner.agree("two")
		if err := p.Stop(t.Context()); err == nil {
			t.Error("stopped somebody else's HAProxy")
		}

		master := owner.state().MasterPID
		testkit.Eventually(t, patience, func() error { // Run must have seen it
			if len(exits) == 0 && alive(master) {
				owner.kill(master)
			}
			if len(exits) == 0 {
				return errors.New("no death is told")
			}
			return nil
		})
		if exit := owner.exit(exits); exit.Restarted || exit.WorkerPID != 0 {
			t.Errorf("the death: %+v", exit)
		}
		if state := owner.state(); state.Running {
			t.Errorf("it was started: %+v", state)
		}
		if err := owner.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		if exit := owner.exit(exits); !exit.Restarted || exit.WorkerPID != owner.state().WorkerPID {
			t.Errorf("the return: %+v", exit)
		}
		owner.agree("two")
	})
}

func TestStop(t *testing.T) {
	each(t, func(fx *fixture) {
		t := fx.t
		if err := fx.Stop(t.Context()); err != nil {
			t.Errorf("nothing runs: %v", err)
		}
		exits := fx.run(fx.Process)
		fx.apply("one")
		fx.apply("two")
		before := fx.state()
		// Clients that stay connected are waited for, but not for ever.
		load := testkit.StartLoad(t, testkit.LoadConfig{Address: fx.address(), Host: "test", KeepAlive: 2})
		load.Await(10)
		if err := fx.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		load.Stop()
		if alive(before.MasterPID) || alive(before.WorkerPID) {
			t.Error("it still runs")
		}
		if state := fx.state(); state.Running {
			t.Errorf("%+v", state)
		}
		for _, path := range []string{fx.cfg.PIDPath, fx.cfg.MasterSocket, fx.cfg.StatsSocket} {
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s was left behind: %v", filepath.Base(path), err)
			}
		}
		fx.apply("three")
		// Run tells of the next end only.
		fx.kill(fx.state().MasterPID)
		if exit := fx.exit(exits); !exit.Restarted || !strings.Contains(exit.Cause, "signal: killed") {
			t.Errorf("Run tells of %+v", exit)
		}
		fx.agree("three")
	})
}

// TestStopByForce: a HAProxy that does not react.
func TestStopByForce(t *testing.T) {
	fx := newFixture(t, testkit.HAProxy(t))
	fx.cfg.StopGrace = 200 * 1e6
	fx.Process = fx.another(nil)
	fx.apply("one")
	state := fx.state()
	for _, pid := range []int{state.WorkerPID, state.MasterPID} {
		testkit.Freeze(t, pid)
	}
	if err := fx.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if alive(state.MasterPID) || alive(state.WorkerPID) {
		t.Error("it still runs")
	}
}
