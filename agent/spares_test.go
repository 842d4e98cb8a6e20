package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
)

// TestSpareServersAreNoCondition: where HAProxy may not open as many files, members
// come and go, and operators change things, as far as there is room for what they
// need.
func TestSpareServersAreNoCondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.most = 5
		w.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		stop := w.start()
		if applied, err := w.put(); err != nil || !applied.Applied { // with three spare ones
			t.Fatalf("got %+v, %v", applied, err)
		}
		w.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "2 2001", "2 2002", "2 2003", "2 2004") // as room for a switch is wanted
		pause(t.Context(), time.Minute)
		attempts := w.attempts()
		w.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1003", "2 2001", "2 2002", "2 2003", "2 2004")
		w.serves("1001", "1003")
		if n := w.attempts() - attempts; n != 0 {
			t.Errorf("%d more tries to make room", n)
		}
		if s, err := w.agent.Status(t.Context()); err != nil || s.Problem != "" {
			t.Errorf("the problem is %q, %v", s.Problem, err)
		}
		if n := w.count(activity.HAProxyReloadFailed); n != 1 {
			t.Errorf("%d refusals are told of, expected 1", n)
		}
		if applied, err := w.putNative("x", "option httplog"); err != nil || !applied.Applied {
			t.Errorf("a change meanwhile: %+v, %v", applied, err)
		}
		w.serves("1001", "1003")

		stop()
		w.run()
		w.serves("1001", "1003")
		w.mu.Lock()
		if n := len(w.servers); n != 5 {
			t.Errorf("the next agent leaves %d servers, expected 5", n)
		}
		w.mu.Unlock()

		w.mu.Lock()
		w.most = 0 // somebody allows it more files, and starts it again
		w.mu.Unlock()
		w.agent.Restarted()
		w.consul("shop", 4, "", "1.0.0 1001", "1.0.0 1003", "2 2001", "2 2002", "2 2003", "2 2004", "2 2005")
		pause(t.Context(), time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		if len(w.servers) < 7 {
			t.Errorf("with room for them there are %d servers", len(w.servers))
		}
	})
}

// TestFirstStartWithoutSpareServers is as good.
func TestFirstStartWithoutSpareServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.most = 2
		w.stored(5, shop)
		w.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		w.run()
		w.serves("1001", "1002")
		w.consul("shop", 2, "", "1.0.0 1002", "1.0.0 1003")
		w.serves("1002", "1003")
		w.consul("shop", 3, "", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004")
		pause(t.Context(), time.Minute)
		w.mu.Lock()
		now := members(w.servers)
		w.mu.Unlock()
		if s, err := w.agent.Status(t.Context()); err != nil || s.Problem == "" || len(now) != 2 {
			t.Errorf("a third one has no room: the members are %v, the problem is %q, %v", now, s.Problem, err)
		}
	})
}
