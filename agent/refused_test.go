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

// TestNextAgentFollowsMembersOfWhatIsRefused: an agent that starts while HAProxy
// refuses what is stored keeps the members of what runs up to date all the same.
func TestNextAgentFollowsMembersOfWhatIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		stop := w.start()
		if _, err := w.put(); err != nil {
			t.Fatal(err)
		}
		w.serves("1001", "1002")
		stop()
		x, err := node.ParseBackend("x", []byte(`{"type":"static","natives":["option httplog"]}`))
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.intent.Backends = map[lb.Name]lb.Backend{"b": w.intent.Backends["b"], "x": x}
		w.intent.Revision++
		w.checkRefuses = "option httplog" // since somebody has replaced HAProxy's program
		w.mu.Unlock()
		before := w.attempts()
		w.run()
		w.consul("shop", 2, "", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005", "1.0.0 1006", "1.0.0 1007", "1.0.0 1008")
		pause(t.Context(), 3*time.Minute)
		w.mu.Lock()
		got := members(w.servers)
		w.mu.Unlock()
		if len(got) != 5 || got[0] != "1002" { // five slots are all there is
			t.Errorf("HAProxy has the members %v", got)
		}
		if n := w.attempts() - before; n != 0 {
			t.Errorf("%d reloads", n)
		}
		if s, err := w.agent.Status(t.Context()); err != nil || s.Problem == "" {
			t.Errorf("the refusal is no problem: %+v, %v", s, err)
		}
		w.mu.Lock()
		w.checkRefuses = ""
		w.mu.Unlock()
		pause(t.Context(), time.Minute) // until it is tried again
		w.serves("1002", "1003", "1004", "1005", "1006", "1007", "1008")
	})
}

// TestServersArePutRightWhileSomethingIsRefused: a member whose slot somebody has taken
// from it gets another one, for which no reload is needed.
func TestServersArePutRightWhileSomethingIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001", "1.0.0 1002")
		w.serves("1001", "1002")
		x, err := node.ParseBackend("x", []byte(`{"type":"static","natives":["option httplog"]}`))
		if err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.intent.Backends = map[lb.Name]lb.Backend{"b": w.intent.Backends["b"], "x": x}
		w.intent.Revision++
		w.checkRefuses = "option httplog"
		w.committed.Broadcast()
		w.mu.Unlock()
		pause(t.Context(), 10*time.Second)
		if s, err := w.agent.Status(t.Context()); err != nil || s.Problem == "" {
			t.Fatalf("nothing is refused: %+v, %v", s, err)
		}
		w.mu.Lock()
		for i, s := range w.servers {
			if s.Address.Port == 1002 {
				w.servers[i].Address.Port = 9999
			}
		}
		w.mu.Unlock()
		w.serves("1001", "1002")
		if n := w.count(activity.ServersRepaired); n != 1 {
			t.Errorf("%d repairs", n)
		}
	})
}

// TestWaitingIsNoFailedReload: the activity tells what HAProxy has refused from what
// it was not asked for.
func TestWaitingIsNoFailedReload(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		verb activity.Verb
	}{
		"not there": {&lb.UnavailableError{What: "HAProxy is not running"}, activity.ConfigurationWaiting},
		"refused":   {&lb.RefusedError{Stage: "start", Output: "[ALERT] no"}, activity.HAProxyReloadFailed},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.down = c.err
				w.run()
				pause(t.Context(), time.Minute)
				for _, verb := range []activity.Verb{activity.ConfigurationWaiting, activity.HAProxyReloadFailed} {
					want := 0
					if verb == c.verb {
						want = 1
					}
					if got := w.count(verb); got != want {
						t.Errorf("%d times %s, want %d", got, verb, want)
					}
				}
			})
		})
	}
	t.Run("consul", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.stored(5, shop)
			w.running = true
			// A member with a host name: who it is only Consul can tell.
			w.servers = []lb.ServerState{{Backend: "b", Server: "host.example:80", Address: lb.HostPort{Host: "10.0.0.1", Port: 80}, Weight: 1}}
			w.run()
			pause(t.Context(), time.Minute)
			if w.count(activity.ConfigurationWaiting) != 1 || w.count(activity.HAProxyReloadFailed) != 0 {
				t.Errorf("the events are %v", w.verbs())
			}
		})
	})
}

// TestFileIsNotRenderedForNothing: rounds that change nothing leave it alone, but it
// is looked at now and then.
func TestFileIsNotRenderedForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ready("1.0.0 1001")
		w.serves("1001")
		installs := func() int {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.installs
		}
		before := installs()
		for range 10 {
			w.agent.Look()
			pause(t.Context(), 100*time.Millisecond)
		}
		if n := installs() - before; n != 0 {
			t.Errorf("written %d times for nothing", n)
		}
		w.consul("shop", 2, "", "1.0.0 1002")
		w.serves("1002")
		if n := installs() - before; n != 1 {
			t.Errorf("written %d times for a change, expected 1", n)
		}
		pause(t.Context(), time.Hour)
		if n := installs() - before; n != 1 {
			t.Errorf("written %d times within an hour at rest", n-1)
		}
		w.mu.Lock()
		w.file = "edited"
		w.mu.Unlock()
		pause(t.Context(), time.Minute)
		w.serves("1002")
	})
}

// TestLateRefusalIsTakenBack: a change that was stored while HAProxy did not run, or
// took its time, and that it refuses when nobody waits for that any more.
func TestLateRefusalIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startRefuses = "option cannot-start"
		w.run()
		if _, err := w.putNative("good", "option httplog"); err != nil {
			t.Fatal(err)
		}
		w.mu.Lock()
		w.down = &lb.UnavailableError{What: "HAProxy is not running"}
		w.mu.Unlock()
		applied, err := w.putNative("bad", "option cannot-start")
		if err != nil || applied.Applied {
			t.Fatalf("got %+v, %v; expected a stored change that is not in effect", applied, err)
		}
		pause(t.Context(), 5*time.Minute)
		w.mu.Lock()
		w.down = nil
		w.mu.Unlock()
		pause(t.Context(), 5*time.Minute)
		in, _ := w.Load(t.Context())
		if _, good := in.Backends["good"]; !good || len(in.Backends) != 1 || in.Revision != applied.Revision+1 {
			t.Errorf("revision %d has the backends %v", in.Revision, in.Backends)
		}
		if n := w.count(activity.ConfigurationReverted); n != 1 {
			t.Errorf("%d reverts are told of, expected 1", n)
		}
		if s, err := w.agent.Status(t.Context()); err != nil || s.Problem != "" {
			t.Errorf("%q, %v", s.Problem, err)
		}
	})
}

// TestRefusalIsTakenBackOnceThatCanBeStored: a disk that is full in the wrong moment
// leaves nothing stored that HAProxy has refused.
func TestRefusalIsTakenBackOnceThatCanBeStored(t *testing.T) {
	for name, down := range map[string]error{"late": &lb.UnavailableError{What: "HAProxy is not running"}, "at once": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.startRefuses = "option cannot-start"
				w.run()
				w.mu.Lock()
				w.down, w.unwritable = down, errors.New("no space left on device")
				w.mu.Unlock()
				applied, err := w.putNative("bad", "option cannot-start")
				if err == nil && applied.Applied {
					t.Fatalf("got %+v", applied)
				}
				w.mu.Lock()
				w.down = nil
				w.mu.Unlock()
				pause(t.Context(), 5*time.Minute)
				w.mu.Lock()
				w.unwritable = nil
				w.mu.Unlock()
				pause(t.Context(), 5*time.Minute)
				if in, _ := w.Load(t.Context()); len(in.Backends) > 0 || w.count(activity.ConfigurationReverted) != 1 {
					t.Errorf("the backends are %v, the events %v", in.Backends, w.verbs())
				}
			})
		})
	}
}

// TestLateRefusalOfAnOlderRevision: what somebody has put on top stays.
func TestLateRefusalOfAnOlderRevision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.startRefuses = "option cannot-start"
		w.down = &lb.UnavailableError{What: "HAProxy is not running"}
		w.run()
		for key, native := range map[string]string{"bad": "option cannot-start", "other": "option httplog"} {
			if applied, err := w.putNative(key, native); err != nil || applied.Applied {
				t.Fatalf("got %+v, %v", applied, err)
			}
		}
		w.mu.Lock()
		w.intent.Revision++ // by somebody else, beside the agent
		w.down = nil
		w.mu.Unlock()
		pause(t.Context(), 5*time.Minute)
		if in, _ := w.Load(t.Context()); len(in.Backends) != 2 || w.count(activity.ConfigurationReverted) != 0 {
			t.Errorf("the backends are %v, the events %v", in.Backends, w.verbs())
		}
	})
}

// TestWhatIsProvenIsNotTakenBack: a round may have dealt with a revision before who
// has stored it knows. What HAProxy refuses later says nothing about that.
func TestWhatIsProvenIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.lag = 3 * time.Second
		w.startRefuses = "127.0.0.1:1006"
		w.consul("shop", 1, "", "1.0.0 1001")
		w.run()
		if applied, err := w.put(); err != nil || !applied.Applied {
			t.Fatalf("got %+v, %v", applied, err)
		}
		w.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005", "1.0.0 1006")
		pause(t.Context(), time.Minute)
		if in, _ := w.Load(t.Context()); len(in.Backends) != 1 || w.count(activity.ConfigurationReverted) != 0 {
			t.Errorf("the backends are %v, the events %v", in.Backends, w.verbs())
		}
	})
}
