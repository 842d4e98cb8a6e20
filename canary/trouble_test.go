package canary_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"thalassa/canary"
	"thalassa/client"
)

func TestAgentThatIsAwayForAMoment(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		gone := func() error { w.away = time.Now().Add(20 * time.Second); return w.absent() }
		w.onRead[3], w.onRead[50] = gone, gone
		w.onDeploy[3] = func(func()) error { return gone() }
		if err := w.deploy(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.stands("2")
		if waits := strings.Count(strings.Join(w.said, "\n"), "waiting"); waits < 3 || waits > 6 {
			t.Errorf("said %q", w.said)
		}
	})
	for _, deploy := range []int{1, 2, 3, 4} { // an answer is lost, and the step is made
		bubble(t, func(w *fixture) {
			t := w.t
			w.onDeploy[deploy] = func(applied func()) error {
				applied()
				w.away = time.Now().Add(10 * time.Second)
				return answer(502, "", "a proxy's page")
			}
			if err := w.deploy(t.Context()); err != nil {
				t.Errorf("deploy %d: %v", deploy, err)
			}
			w.stands("2")
		})
	}
	bubble(t, func(w *fixture) { // the step is made after all, when it is asked for again
		t := w.t
		var late func()
		w.onDeploy[2] = func(applied func()) error { late = applied; return answer(503, "unavailable", "slow") }
		w.onDeploy[3] = func(func()) error { late(); return answer(412, "precondition_failed", "backend/live has changed") }
		if err := w.deploy(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.stands("2")
	})
}

func TestAgentThatIsAwayForLong(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		w.onRead[40] = func() error { w.away = time.Now().Add(90 * time.Second); return nil }
		e := aborted(t, w.deploy(t.Context()), 25, "nobody answers")
		w.stands("1")
		if e.Figures == nil {
			t.Error("no figures")
		}
	})
	bubble(t, func(w *fixture) {
		t := w.t
		w.onRead[40] = func() error { w.away = time.Now().Add(time.Hour); return nil }
		err := w.deploy(t.Context())
		e, ok := errors.AsType[*canary.StuckError](err)
		if !ok || e.Left != "1=75,2=25" || e.Back != "1" || !client.IsTemporary(err) {
			t.Fatalf("%v", err)
		}
		w.stands("1=75,2=25")
	})
	bubble(t, func(w *fixture) { // from the beginning
		t := w.t
		w.away = time.Now().Add(time.Second)
		if err := w.deploy(t.Context()); !client.IsTemporary(err) || errors.As(err, new(*canary.StuckError)) || w.asked > 0 {
			t.Error(err)
		}
	})
}

func TestWayBackThatDoesNotSucceed(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		w.onRead[40] = func() error {
			w.nature["2"] = behavior{bad: 100, ms: 5}
			w.healthy["1"] = 0
			return nil
		}
		err := w.deploy(t.Context())
		e, ok := errors.AsType[*canary.StuckError](err)
		if !ok || !strings.Contains(err.Error(), "version 1 of service shop has no healthy instance") || !strings.Contains(e.Reason, "broke 5xx>1%") {
			t.Fatalf("%v", err)
		}
		w.stands("1=75,2=25")
	})
	bubble(t, func(w *fixture) {
		t := w.t
		w.onReport = func(e canary.Event) error {
			if e.Percent == 5 && e.Kind == canary.Watched {
				w.pending = "HAProxy is not running"
			}
			return nil
		}
		e := aborted(t, w.deploy(t.Context()), 5, "the step to 25% is stored and not in effect: HAProxy is not running")
		if e.Pending == "" || !strings.Contains(e.Error(), "not yet in effect") {
			t.Errorf("%+v", e)
		}
		w.stands("1")
	})
}

func TestOutputThatNobodyTakes(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		w.onReport = func(e canary.Event) error {
			if e.Percent >= 25 {
				return errors.New("broken pipe")
			}
			return nil
		}
		aborted(t, w.deploy(t.Context()), 25, "broken pipe")
		w.stands("1")
	})
	bubble(t, func(w *fixture) { // nor the waiting for an agent that is away just then
		t := w.t
		w.onReport = func(e canary.Event) error {
			if e.Kind == canary.Watched {
				w.away = time.Now().Add(20 * time.Second)
				return errors.New("broken pipe")
			}
			if e.Kind == canary.Waiting {
				return errors.New("broken pipe")
			}
			return nil
		}
		aborted(t, w.deploy(t.Context()), 5, "broken pipe")
		w.stands("1")
	})
	bubble(t, func(w *fixture) { // when all is done it is too late
		t := w.t
		w.onReport = func(e canary.Event) error {
			if e.Kind == canary.Done {
				return errors.New("broken pipe")
			}
			return nil
		}
		if err := w.deploy(t.Context()); err == nil || err.Error() != "broken pipe" {
			t.Error(err)
		}
		w.stands("2")
	})
}
