package canary_test

import (
	"testing"
	"time"

	"thalassa/lb"
)

func TestNodeThatIsAwayForAMoment(t *testing.T) {
	bubble(t, func(w *fixture) {
		gone := func() error { w.away = time.Now().Add(20 * time.Second); return w.absent() }
		w.onRead[3], w.onRead[50] = gone, gone
		w.onSwitch[3] = func(func()) error { return gone() }
		if s, err := w.deploy(w.t.Context()); err != nil || s.Phase != lb.CanaryDone {
			w.t.Fatal(s, err)
		}
		w.stands("2")
	})
	for _, n := range []int{2, 3, 4} { // an answer is lost, and the step is made
		bubble(t, func(w *fixture) {
			w.onSwitch[n] = func(applied func()) error {
				applied()
				w.away = time.Now().Add(10 * time.Second)
				return w.absent()
			}
			if s, err := w.deploy(w.t.Context()); err != nil || s.Phase != lb.CanaryDone {
				w.t.Errorf("switch %d: %+v, %v", n, s, err)
			}
			w.stands("2")
		})
	}
}

func TestNodeThatIsAwayForLong(t *testing.T) {
	bubble(t, func(w *fixture) {
		w.onRead[40] = func() error { w.away = time.Now().Add(90 * time.Second); return nil }
		s, err := w.deploy(w.t.Context())
		aborted(w.t, s, err, 25, "nobody answers")
		w.stands("1")
		if s.New == nil {
			w.t.Error("no figures")
		}
	})
	bubble(t, func(w *fixture) {
		w.onRead[40] = func() error { w.away = time.Now().Add(time.Hour); return nil }
		s, err := w.deploy(w.t.Context())
		if err != nil || s.Phase != lb.CanaryStuck || s.Selection != "1=75,2=25" || !contains(s.Problem, "nobody answers") {
			w.t.Fatalf("%+v, %v", s, err)
		}
		w.stands("1=75,2=25")
	})
}

func TestWayBackThatDoesNotSucceed(t *testing.T) {
	bubble(t, func(w *fixture) {
		w.onRead[40] = func() error {
			w.nature["2"] = behavior{bad: 100, ms: 5}
			w.healthy["1"] = 0
			return nil
		}
		s, err := w.deploy(w.t.Context())
		if err != nil || s.Phase != lb.CanaryStuck || !contains(s.Problem, "version 1 of service shop has no healthy instance") || !contains(s.Reason, "broke 5xx>1%") {
			w.t.Fatalf("%+v, %v", s, err)
		}
		w.stands("1=75,2=25")
		if got := w.verbs(); got != "[canaryStarted canaryStuck]" || w.events[1].Error == "" {
			w.t.Errorf("events %+v", w.events)
		}
	})
	bubble(t, func(w *fixture) {
		w.atEnd(5, func() { w.pending = "HAProxy is not running" })
		s, err := w.deploy(w.t.Context())
		aborted(w.t, s, err, 5, "the step to 25% is stored and not in effect: HAProxy is not running")
		if s.Pending == "" {
			w.t.Errorf("%+v", s)
		}
		w.stands("1")
	})
	bubble(t, func(w *fixture) { // from the first step on
		w.pending = "HAProxy is not running"
		s, err := w.deploy(w.t.Context())
		aborted(w.t, s, err, 0, "the step to 5% is stored and not in effect: HAProxy is not running")
		w.stands("1")
	})
}
