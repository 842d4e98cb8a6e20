package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
)

// TestSpareServersAreDroppedWhenTooMany: where HAProxy may not open as many files, members
// come and go, and operators change things, as far as there is room for what they
// need.
func TestSpareServersAreDroppedWhenTooMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.most = 5
		fx.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		stop := fx.start()
		if applied, err := fx.put(); err != nil || !applied.Applied { // with three spare ones
			t.Fatalf("got %+v, %v", applied, err)
		}
		fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "2 2001", "2 2002", "2 2003", "2 2004") // as room for a switch is wanted
		pause(t.Context(), time.Minute)
		attempts := fx.attempts()
		fx.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1003", "2 2001", "2 2002", "2 2003", "2 2004")
		fx.serves("1001", "1003")
		if n := fx.attempts() - attempts; n != 0 {
			t.Errorf("%d more tries to make room", n)
		}
		if s, err := fx.agent.Status(t.Context()); err != nil || s.Problem != "" {
			t.Errorf("the problem is %q, %v", s.Problem, err)
		}
		if n := fx.count(activity.HAProxyReloadFailed); n != 1 {
			t.Errorf("%d refusals are recorded, expected 1", n)
		}
		if applied, err := fx.putNative("x", "option httplog"); err != nil || !applied.Applied {
			t.Errorf("a change meanwhile: %+v, %v", applied, err)
		}
		fx.serves("1001", "1003")

		stop()
		fx.run()
		fx.serves("1001", "1003")
		fx.mu.Lock()
		if n := len(fx.servers); n != 5 {
			t.Errorf("the next agent leaves %d servers, expected 5", n)
		}
		fx.mu.Unlock()

		fx.mu.Lock()
		fx.most = 0 // somebody allows it more files, and starts it again
		fx.mu.Unlock()
		fx.agent.Restarted()
		fx.consul("shop", 4, "", "1.0.0 1001", "1.0.0 1003", "2 2001", "2 2002", "2 2003", "2 2004", "2 2005")
		pause(t.Context(), time.Minute)
		fx.mu.Lock()
		defer fx.mu.Unlock()
		if len(fx.servers) < 7 {
			t.Errorf("with room for them there are %d servers", len(fx.servers))
		}
	})
}

// TestFirstStartWithoutSpareServers is as good.
func TestFirstStartWithoutSpareServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.most = 2
		fx.stored(5, shop)
		fx.consul("shop", 1, "", "1.0.0 1001", "1.0.0 1002")
		fx.run()
		fx.serves("1001", "1002")
		fx.consul("shop", 2, "", "1.0.0 1002", "1.0.0 1003")
		fx.serves("1002", "1003")
		fx.consul("shop", 3, "", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004")
		pause(t.Context(), time.Minute)
		fx.mu.Lock()
		now := members(fx.servers)
		fx.mu.Unlock()
		if s, err := fx.agent.Status(t.Context()); err != nil || s.Problem == "" || len(now) != 2 {
			t.Errorf("a third one has no room: the members are %v, the problem is %q, %v", now, s.Problem, err)
		}
	})
}
