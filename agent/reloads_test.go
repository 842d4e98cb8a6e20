package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// fleetOf is a fixture whose agent defers reloads for less than an hour, and which has
// a backend of four slots with one member, to which only a reload adds slots.
func fleetOf(t *testing.T, chance func(time.Duration) time.Duration) *fixture {
	t.Helper()
	fx := newFixture(t)
	fx.jitter, fx.chance, fx.definition = time.Hour, chance, hashed
	fx.ready("1.0.0 1001")
	fx.serves("1001")
	return fx
}

// half is the delay that chance has chosen.
func half(d time.Duration) time.Duration { return d / 2 }

// crowded is a fleetOf with one member more than slots, whose reload is deferred; before is
// how many reloads there were.
func crowded(t *testing.T) (fx *fixture, before int) {
	t.Helper()
	fx = fleetOf(t, half)
	before = fx.attempts()
	fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005")
	fx.serves("1001", "1002", "1003", "1004")
	return fx, before
}

// TestReloadsOfAFleetAreSpread: agents that see the same change wait for different
// times.
func TestReloadsOfAFleetAreSpread(t *testing.T) {
	distinct := map[time.Duration]bool{}
	for range 8 {
		synctest.Test(t, func(t *testing.T) {
			fx := fleetOf(t, nil)
			begin, before := time.Now(), fx.attempts()
			fx.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005")
			for fx.attempts() == before && time.Since(begin) < 2*fx.jitter {
				pause(t.Context(), time.Second)
			}
			waited := time.Since(begin)
			if waited > fx.jitter+2*time.Second {
				t.Errorf("waited %s, longer than %s", waited, fx.jitter)
			}
			distinct[waited.Truncate(time.Second)] = true
			fx.serves("1001", "1002", "1003", "1004", "1005")
		})
	}
	if len(distinct) < 4 {
		t.Errorf("eight agents waited %v", distinct)
	}
}

// TestMembersThatFitAreNotDeferred: only the others wait for the reload.
func TestMembersThatFitAreNotDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, before := crowded(t)
		if s, err := fx.agent.Status(t.Context()); err != nil || s.Problem != "" {
			t.Errorf("a reload that waits is a problem: %q, %v", s.Problem, err)
		}
		pause(t.Context(), fx.jitter/2-10*time.Second)
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("%d reloads before it is due", n)
		}
		pause(t.Context(), 10*time.Second)
		fx.serves("1001", "1002", "1003", "1004", "1005")
		if n := fx.attempts() - before; n != 1 {
			t.Errorf("%d reloads, expected 1", n)
		}
		fx.mu.Lock()
		defer fx.mu.Unlock()
		last := fx.events[len(fx.events)-1]
		reload := fx.events[len(fx.events)-2]
		if last.Verb != activity.Online || reload.Verb != activity.HAProxyReloaded || reload.Cause != "consul: shop@2" {
			t.Errorf("the last events are %+v and %+v", reload, last)
		}
	})
}

// TestDeferredChangesAreOneReload: members leave at run time meanwhile.
func TestDeferredChangesAreOneReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, before := crowded(t)
		fx.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005", "1.0.0 1006", "1.0.0 1007")
		fx.serves("1001", "1003", "1004", "1005")
		fx.consul("shop", 4, "", "1.0.0 1003", "1.0.0 1004", "1.0.0 1006", "1.0.0 1007", "1.0.0 1008")
		fx.serves("1003", "1004", "1006", "1007")
		pause(t.Context(), fx.jitter/2)
		fx.serves("1003", "1004", "1006", "1007", "1008")
		if n := fx.attempts() - before; n != 1 {
			t.Errorf("%d reloads, expected 1", n)
		}
	})
}

// TestStaleDiscoveryIsRecordedBeforeADeferredReload: the reload has its own cause
// nevertheless.
func TestStaleDiscoveryIsRecordedBeforeADeferredReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := fleetOf(t, half)
		more := []string{"1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005"}
		fx.consul("shop", 2, "", more...)
		fx.serves("1001", "1002", "1003", "1004")
		fx.consul("shop", 2, "HTTP 500", more...)
		pause(t.Context(), time.Second)
		if n := fx.count(activity.DiscoveryStale); n != 1 {
			t.Errorf("%d events say that consul does not answer", n)
		}
		fx.consul("shop", 2, "", more...)
		pause(t.Context(), time.Second)
		if n := fx.count(activity.DiscoveryRecovered); n != 1 {
			t.Errorf("%d events say that it answers again", n)
		}
		pause(t.Context(), fx.jitter)
		fx.serves("1001", "1002", "1003", "1004", "1005")
		if reloads := fx.eventsOf(activity.HAProxyReloaded); reloads[len(reloads)-1].Cause != "consul: shop@2" {
			t.Errorf("the reload is recorded as %+v", reloads[len(reloads)-1])
		}
	})
}

// TestNoReloadWhenSlotsBecomeFree: a deferred reload that is not needed any more is left out.
func TestNoReloadWhenSlotsBecomeFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, before := crowded(t)
		fx.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1005")
		fx.serves("1001", "1002", "1005")
		pause(t.Context(), time.Hour)
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("%d reloads", n)
		}
	})
}

// TestChangesByOperatorsAreNotDeferred: their reload includes what was deferred.
func TestChangesByOperatorsAreNotDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx, before := crowded(t)
		begin := time.Now()
		if applied, err := fx.putNative("x", "option httplog"); err != nil || !applied.Applied || time.Since(begin) > time.Second {
			t.Errorf("got %+v, %v after %s", applied, err, time.Since(begin))
		}
		fx.serves("1001", "1002", "1003", "1004", "1005")
		pause(t.Context(), time.Hour)
		if n := fx.attempts() - before; n != 1 {
			t.Errorf("%d reloads, expected 1", n)
		}
	})
}

// TestFirstMemberOfABackendIsNotDeferred: a backend without slots gets a member only
// by a reload.
func TestFirstMemberOfABackendIsNotDeferred(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.jitter, fx.chance = time.Hour, half
		named := func(index uint64, hosts ...lb.Host) {
			s := lb.Service{Name: "shop", Index: index}
			for _, h := range hosts {
				s.Instances = append(s.Instances, lb.Instance{ID: string(h), Address: lb.HostPort{Host: h, Port: 80}, Version: "1.0.0", Weight: 1, Healthy: true})
			}
			fx.mu.Lock()
			fx.snapshot = lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": s}}
			fx.mu.Unlock()
			fx.poke()
		}
		named(1, "a.example.org", "b.example.org")
		fx.run()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		before := fx.attempts()
		named(2, "b.example.org", "c.example.org")
		pause(t.Context(), 100*time.Millisecond)
		if n := fx.attempts() - before; n != 0 {
			t.Errorf("%d reloads, and b.example.org was there", n)
		}
		named(3, "c.example.org")
		pause(t.Context(), 100*time.Millisecond)
		if n := fx.attempts() - before; n != 1 {
			t.Errorf("%d reloads for the only member, expected 1", n)
		}
	})
}
