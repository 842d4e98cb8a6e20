package agent_test

import (
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// fleetOf is a world whose agent puts reloads off for a time below an hour, and has
// a backend of four slots with one member.
func fleetOf(t *testing.T, chance func(time.Duration) time.Duration) *world {
	t.Helper()
	w := newWorld(t)
	w.jitter, w.chance = time.Hour, chance
	w.ready("1.0.0 1001")
	w.serves("1001")
	return w
}

// half is what chance has chosen.
func half(d time.Duration) time.Duration { return d / 2 }

// crowded is a fleetOf with one member more than there are slots, which waits for a
// reload; before are those there were.
func crowded(t *testing.T) (w *world, before int) {
	t.Helper()
	w = fleetOf(t, half)
	before = w.attempts()
	w.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005")
	w.serves("1001", "1002", "1003", "1004")
	return w, before
}

// TestReloadsOfAFleetAreSpread: each agent that sees the same change waits another
// time.
func TestReloadsOfAFleetAreSpread(t *testing.T) {
	distinct := map[time.Duration]bool{}
	for range 8 {
		synctest.Test(t, func(t *testing.T) {
			w := fleetOf(t, nil)
			begin, before := time.Now(), w.attempts()
			w.consul("shop", 2, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005")
			for w.attempts() == before && time.Since(begin) < 2*w.jitter {
				pause(t.Context(), time.Second)
			}
			waited := time.Since(begin)
			if waited > w.jitter+2*time.Second {
				t.Errorf("waited %s, longer than %s", waited, w.jitter)
			}
			distinct[waited.Truncate(time.Second)] = true
			w.serves("1001", "1002", "1003", "1004", "1005")
		})
	}
	if len(distinct) < 4 {
		t.Errorf("eight agents waited %v", distinct)
	}
}

// TestMembersThatFitDoNotWait for the reload that others need.
func TestMembersThatFitDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, before := crowded(t)
		if s, err := w.agent.Status(t.Context()); err != nil || s.Problem != "" {
			t.Errorf("a reload that waits is a problem: %q, %v", s.Problem, err)
		}
		pause(t.Context(), w.jitter/2-10*time.Second)
		if n := w.attempts() - before; n != 0 {
			t.Errorf("%d reloads before the turn", n)
		}
		pause(t.Context(), 10*time.Second)
		w.serves("1001", "1002", "1003", "1004", "1005")
		if n := w.attempts() - before; n != 1 {
			t.Errorf("%d reloads, expected 1", n)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		last := w.events[len(w.events)-1]
		reload := w.events[len(w.events)-2]
		if last.Verb != activity.Online || reload.Verb != activity.HAProxyReloaded || reload.Cause != "consul: shop@2" {
			t.Errorf("the last events are %+v and %+v", reload, last)
		}
	})
}

// TestChangesUntilItsTurnAreOneReload, and members go in the meantime.
func TestChangesUntilItsTurnAreOneReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, before := crowded(t)
		w.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005", "1.0.0 1006", "1.0.0 1007")
		w.serves("1001", "1003", "1004", "1005")
		w.consul("shop", 4, "", "1.0.0 1003", "1.0.0 1004", "1.0.0 1006", "1.0.0 1007", "1.0.0 1008")
		w.serves("1003", "1004", "1006", "1007")
		pause(t.Context(), w.jitter/2)
		w.serves("1003", "1004", "1006", "1007", "1008")
		if n := w.attempts() - before; n != 1 {
			t.Errorf("%d reloads, expected 1", n)
		}
	})
}

// TestWhatConsulCannotTellIsToldBeforeTheTurn, and the reload has its cause all the
// same.
func TestWhatConsulCannotTellIsToldBeforeTheTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := fleetOf(t, half)
		more := []string{"1.0.0 1001", "1.0.0 1002", "1.0.0 1003", "1.0.0 1004", "1.0.0 1005"}
		w.consul("shop", 2, "", more...)
		w.serves("1001", "1002", "1003", "1004")
		w.consul("shop", 2, "HTTP 500", more...)
		pause(t.Context(), time.Second)
		if n := w.count(activity.DiscoveryStale); n != 1 {
			t.Errorf("%d events tell that consul does not answer", n)
		}
		w.consul("shop", 2, "", more...)
		pause(t.Context(), time.Second)
		if n := w.count(activity.DiscoveryRecovered); n != 1 {
			t.Errorf("%d events tell that it answers again", n)
		}
		pause(t.Context(), w.jitter)
		w.serves("1001", "1002", "1003", "1004", "1005")
		if reloads := w.told(activity.HAProxyReloaded); reloads[len(reloads)-1].Cause != "consul: shop@2" {
			t.Errorf("the reload is told as %+v", reloads[len(reloads)-1])
		}
	})
}

// TestNoReloadWhenRoomComesMeanwhile: what was put off is not done for its own sake.
func TestNoReloadWhenRoomComesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, before := crowded(t)
		w.consul("shop", 3, "", "1.0.0 1001", "1.0.0 1002", "1.0.0 1005")
		w.serves("1001", "1002", "1005")
		pause(t.Context(), time.Hour)
		if n := w.attempts() - before; n != 0 {
			t.Errorf("%d reloads", n)
		}
	})
}

// TestOperatorsDoNotWait: their changes take what was put off with them.
func TestOperatorsDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, before := crowded(t)
		begin := time.Now()
		if applied, err := w.putNative("x", "option httplog"); err != nil || !applied.Applied || time.Since(begin) > time.Second {
			t.Errorf("got %+v, %v after %s", applied, err, time.Since(begin))
		}
		w.serves("1001", "1002", "1003", "1004", "1005")
		pause(t.Context(), time.Hour)
		if n := w.attempts() - before; n != 1 {
			t.Errorf("%d reloads, expected 1", n)
		}
	})
}

// TestNobodyWaitsForItsFirstMember: a backend without slots has no other way to one
// than a reload.
func TestNobodyWaitsForItsFirstMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.jitter, w.chance = time.Hour, half
		named := func(index uint64, hosts ...lb.Host) {
			s := lb.Service{Name: "shop", Index: index}
			for _, h := range hosts {
				s.Instances = append(s.Instances, lb.Instance{ID: string(h), Address: lb.HostPort{Host: h, Port: 80}, Version: "1.0.0", Weight: 1, Healthy: true})
			}
			w.mu.Lock()
			w.snapshot = lb.Snapshot{Services: map[lb.Name]lb.Service{"shop": s}}
			w.mu.Unlock()
			w.poke()
		}
		named(1, "a.example.org", "b.example.org")
		w.run()
		if _, err := w.put(); err != nil {
			t.Fatal(err)
		}
		before := w.attempts()
		named(2, "b.example.org", "c.example.org")
		pause(t.Context(), 100*time.Millisecond)
		if n := w.attempts() - before; n != 0 {
			t.Errorf("%d reloads, and b.example.org was there", n)
		}
		named(3, "c.example.org")
		pause(t.Context(), 100*time.Millisecond)
		if n := w.attempts() - before; n != 1 {
			t.Errorf("%d reloads for the only member, expected 1", n)
		}
	})
}
