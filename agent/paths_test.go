package agent_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
)

// A removed socket of HAProxy is recorded once, and one reload restores it and records why.
// Another one has its own reload.
func TestLostPathsAreRestoredByAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.0.0 1002")
		for n := 1; n <= 2; n++ {
			before := fx.attempts()
			fx.mu.Lock()
			fx.lost = "stats socket /run/h.sock does not exist any more"
			fx.mu.Unlock()
			pause(t.Context(), 5*time.Second)
			if got := fx.attempts() - before; got != 1 {
				t.Fatalf("%d reloads", got)
			}
			if lost, back := fx.count(activity.ControlPathLost), fx.count(activity.ControlPathRegained); lost != n || back != n {
				t.Errorf("recorded %d times that it is lost, and %d times that it is back; want %d", lost, back, n)
			}
		}
		fx.mu.Lock()
		defer fx.mu.Unlock()
		reloaded := slices.ContainsFunc(fx.events, func(e activity.Event) bool {
			return e.Verb == activity.HAProxyReloaded && slices.Contains(e.Reasons, "process control path")
		})
		recorded := slices.ContainsFunc(fx.events, func(e activity.Event) bool {
			return e.Verb == activity.ControlPathLost && strings.Contains(e.Error, "/run/h.sock")
		})
		if !reloaded || !recorded {
			t.Errorf("the events are %+v", fx.events)
		}
	})
}

// TestLostPathsWhileHAProxyRefuses: what is refused is not tried again each second.
func TestLostPathsWhileHAProxyRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.mu.Lock()
		fx.checkRefuses = "1002"
		fx.deaf = nil
		fx.lost = "stats socket /run/h.sock does not exist any more"
		fx.startRefuses = "server"
		fx.mu.Unlock()
		pause(t.Context(), time.Minute)
		if n := fx.attempts(); n > 10 {
			t.Errorf("%d attempts within a minute", n)
		}
		if n := fx.count(activity.ControlPathLost); n != 1 {
			t.Errorf("recorded %d times", n)
		}
	})
}
