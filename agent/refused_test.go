package agent_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/api/node"
	"thalassa/lb"
)

// TestNextAgentUpdatesMembersWhileAReloadIsRefused: an agent that starts while HAProxy
// refuses what is stored keeps the members of what runs up to date.
func TestNextAgentUpdatesMembersWhileAReloadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		stop := fx.start()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		fx.serves("1001", "1002")
		stop()
		x, err := node.ParseBackend("x", []byte(`{"type":"static","natives":["option httplog"]}`))
		if err != nil {
			t.Fatal(err)
		}
		fx.mu.Lock()
		fx.intent.Backends = map[lb.Name]lb.Backend{"b": fx.intent.Backends["b"], "x": x}
		fx.intent.Revision++
		fx.checkRefuses = "option httplog" // since somebody has replaced HAProxy's program
		fx.mu.Unlock()
		before := fx.attempts()
		fx.run()
		fx.consul("shop", 2, "", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005", "1.0.0 1006", "1.0.0 1007", "1.0.0 1008")
		pause(t.Context(), 3*time.Minute)
		fx.mu.Lock()
		got := members(fx.servers)
		fx.mu.Unlock()
		if len(got) != 5 || got[0] != "1002" { // five slots are all there is
			t.Errorf("HAProxy has the members %v", got)
		}
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("%d reloads", n)
		}
		if s, err := fx.agent.Status(t.Context()); err != nil || s.Problem == "" {
			t.Errorf("the refusal is no problem: %+v, %v", s, err)
		}
		fx.mu.Lock()
		fx.checkRefuses = ""
		fx.mu.Unlock()
		pause(t.Context(), time.Minute) // until it is tried again
		fx.serves("1002", "1003", "1004", "1005", "1006", "1007", "1008")
	})
}

// TestServersAreRepairedWhileAReloadIsRefused: a member whose slot was taken gets
// another one without a reload.
func TestServersAreRepairedWhileAReloadIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002")
		fx.serves("1001", "1002")
		x, err := node.ParseBackend("x", []byte(`{"type":"static","natives":["option httplog"]}`))
		if err != nil {
			t.Fatal(err)
		}
		fx.mu.Lock()
		fx.intent.Backends = map[lb.Name]lb.Backend{"b": fx.intent.Backends["b"], "x": x}
		fx.intent.Revision++
		fx.checkRefuses = "option httplog"
		fx.committed.Broadcast()
		fx.mu.Unlock()
		pause(t.Context(), 10*time.Second)
		if s, err := fx.agent.Status(t.Context()); err != nil || s.Problem == "" {
			t.Fatalf("nothing is refused: %+v, %v", s, err)
		}
		fx.mu.Lock()
		for i, s := range fx.servers {
			if s.Address.Port == 1002 {
				fx.servers[i].Address.Port = 9999
			}
		}
		fx.mu.Unlock()
		fx.serves("1001", "1002")
		if n := fx.count(activity.ServersRepaired); n != 1 {
			t.Errorf("%d repairs", n)
		}
	})
}

// TestWaitingIsNoFailedReload: the activity log separates what HAProxy has refused from what
// it was not asked for.
func TestWaitingIsNoFailedReload(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		verb activity.Verb
	}{
		"not there": {&lb.UnavailableError{What: "HAProxy is not running"}, activity.ConfigurationWaiting},
		"refused":   {&lb.RefusedError{At: "start", Output: "[ALERT] no"}, activity.HAProxyReloadFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fx := newFixture(t)
				fx.down = c.err
				fx.run()
				pause(t.Context(), time.Minute)
				for _, verb := range []activity.Verb{activity.ConfigurationWaiting, activity.HAProxyReloadFailed} {
					want := 0
					if verb == c.verb {
						want = 1
					}
					if got := fx.count(verb); got != want {
						t.Errorf("%d times %s, want %d", got, verb, want)
					}
				}
			})
		})
	}
	t.Run("consul", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			fx := newFixture(t)
			fx.stored(5, shop)
			fx.running = true
			// A member with a host name: who it is only Consul can tell.
			fx.servers = []lb.ServerState{{Backend: "b", Server: "host.example:80", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Weight: 1}}
			fx.run()
			pause(t.Context(), time.Minute)
			if fx.count(activity.ConfigurationWaiting) != 1 || fx.count(activity.HAProxyReloadFailed) != 0 {
				t.Errorf("the events are %v", fx.verbs())
			}
		})
	})
}

// TestFileIsNotRenderedAgainNeedlessly: rounds that change nothing do not write
// it, but the agent compares it from time to time.
func TestFileIsNotRenderedAgainNeedlessly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.serves("1001")
		installs := func() int {
			fx.mu.Lock()
			defer fx.mu.Unlock()
			return fx.installs
		}
		before := installs()
		for range 10 {
			fx.agent.Look()
			pause(t.Context(), 100*time.Millisecond)
		}
		if n := installs() - before; n != 0 {
			t.Errorf("written %d times for nothing", n)
		}
		fx.consul("shop", 2, "", "1.0.0 1002")
		fx.serves("1002")
		if n := installs() - before; n != 1 {
			t.Errorf("written %d times for a change, expected 1", n)
		}
		pause(t.Context(), time.Hour)
		if n := installs() - before; n != 1 {
			t.Errorf("written %d times within an hour at rest", n-1)
		}
		fx.mu.Lock()
		fx.file = "edited"
		fx.mu.Unlock()
		pause(t.Context(), time.Minute)
		fx.serves("1002")
	})
}

// TestLateRefusalIsReverted: a change is stored while HAProxy does not run or is slow.
// HAProxy refuses it when its caller does not wait any more.
func TestLateRefusalIsReverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.startRefuses = "option cannot-start"
		fx.run()
		if _, err := fx.putNative("good", "option httplog"); err != nil {
			t.Fatal(err)
		}
		fx.mu.Lock()
		fx.down = &lb.UnavailableError{What: "HAProxy is not running"}
		fx.mu.Unlock()
		applied, err := fx.putNative("bad", "option cannot-start")
		if err != nil || applied.Applied {
			t.Fatalf("got %+v, %v; expected a stored change that is not in effect", applied, err)
		}
		pause(t.Context(), 5*time.Minute)
		fx.mu.Lock()
		fx.down = nil
		fx.mu.Unlock()
		pause(t.Context(), 5*time.Minute)
		in, _ := fx.Load(t.Context())
		if _, good := in.Backends["good"]; !good || len(in.Backends) != 1 || in.Revision != applied.Revision+1 {
			t.Errorf("revision %d has the backends %v", in.Revision, in.Backends)
		}
		if n := fx.count(activity.ConfigurationReverted); n != 1 {
			t.Errorf("%d reverts are recorded, expected 1", n)
		}
		if s, err := fx.agent.Status(t.Context()); err != nil || s.Problem != "" {
			t.Errorf("%q, %v", s.Problem, err)
		}
	})
}

// TestRefusalIsRevertedOnceTheStoreWorks: a refused revision that cannot be reverted
// because the disk is full is reverted later.
func TestRefusalIsRevertedOnceTheStoreWorks(t *testing.T) {
	for name, down := range map[string]error{"late": &lb.UnavailableError{What: "HAProxy is not running"}, "at once": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fx := newFixture(t)
				fx.startRefuses = "option cannot-start"
				fx.run()
				fx.mu.Lock()
				fx.down, fx.unwritable = down, errors.New("no space left on device")
				fx.mu.Unlock()
				applied, err := fx.putNative("bad", "option cannot-start")
				if err == nil && applied.Applied {
					t.Fatalf("got %+v", applied)
				}
				fx.mu.Lock()
				fx.down = nil
				fx.mu.Unlock()
				pause(t.Context(), 5*time.Minute)
				fx.mu.Lock()
				fx.unwritable = nil
				fx.mu.Unlock()
				pause(t.Context(), 5*time.Minute)
				if in, _ := fx.Load(t.Context()); len(in.Backends) > 0 || fx.count(activity.ConfigurationReverted) != 1 {
					t.Errorf("the backends are %v, the events %v", in.Backends, fx.verbs())
				}
			})
		})
	}
}

// TestLateRefusalOfAnOlderRevision: a later revision by somebody else stays.
func TestLateRefusalOfAnOlderRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.startRefuses = "option cannot-start"
		fx.down = &lb.UnavailableError{What: "HAProxy is not running"}
		fx.run()
		for key, native := range map[string]string{"bad": "option cannot-start", "other": "option httplog"} {
			if applied, err := fx.putNative(key, native); err != nil || applied.Applied {
				t.Fatalf("got %+v, %v", applied, err)
			}
		}
		fx.mu.Lock()
		fx.intent.Revision++ // by somebody else, beside the agent
		fx.down = nil
		fx.mu.Unlock()
		pause(t.Context(), 5*time.Minute)
		if in, _ := fx.Load(t.Context()); len(in.Backends) != 2 || fx.count(activity.ConfigurationReverted) != 0 {
			t.Errorf("the backends are %v, the events %v", in.Backends, fx.verbs())
		}
	})
}

// TestConfirmedRevisionIsNotReverted: a round may deal with a revision before its
// change waits for it. What HAProxy refuses later does not concern that revision.
func TestConfirmedRevisionIsNotReverted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.lag = 3 * time.Second
		fx.startRefuses = "127.0.0.1:1006"
		fx.consul("shop", 1, "", "1.0.0 1001")
		fx.run()
		if applied, err := fx.put(); err != nil || !applied.Applied {
			t.Fatalf("got %+v, %v", applied, err)
		}
		fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005", "1.0.0 1006")
		pause(t.Context(), time.Minute)
		if in, _ := fx.Load(t.Context()); len(in.Backends) != 1 || fx.count(activity.ConfigurationReverted) != 0 {
			t.Errorf("the backends are %v, the events %v", in.Backends, fx.verbs())
		}
	})
}
