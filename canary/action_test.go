package canary_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/canary"
	"thalassa/lb"
)

// begun starts a canary and lets some time pass.
func (w *fixture) begun(d time.Duration, adjust ...func(*lb.Canary)) *canary.Runner {
	w.t.Helper()
	r := w.runner()
	w.running(r)
	if _, err := r.Start(w.t.Context(), w.request(adjust...)); err != nil {
		w.t.Fatal(err)
	}
	pass(d)
	return r
}

// pass lets some time pass, and the canary do what is due.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (w *fixture) act(r *canary.Runner, a lb.CanaryAction) lb.CanaryState {
	w.t.Helper()
	s, err := r.Act(w.t.Context(), "live", a, lb.Origin{Author: "bob"})
	if err != nil {
		w.t.Fatalf("%s: %v", a, err)
	}
	return s
}

func TestPauseAndResume(t *testing.T) {
	bubble(t, func(w *fixture) {
		r := w.begun(70 * time.Second)
		if s := w.act(r, lb.CanaryPause); s.Phase != lb.CanaryPaused || s.Percent != 25 {
			w.t.Fatalf("%+v", s)
		}
		pass(time.Hour)
		w.stands("1=75,2=25")
		if _, err := r.Act(w.t.Context(), "live", lb.CanaryPause, lb.Origin{}); !errors.As(err, new(*lb.ConflictError)) {
			w.t.Errorf("a second pause: %v", err)
		}
		if s := w.act(r, lb.CanaryResume); s.Phase != lb.CanaryRunning {
			w.t.Errorf("%+v", s)
		}
		pass(time.Second)
		w.stands("1=50,2=50") // the step's time was over
		if s := w.await(r, lb.CanaryPhase.IsEnd); s.Phase != lb.CanaryDone {
			w.t.Errorf("%+v", s)
		}
		if got := w.verbs(); got != "[canaryStarted canaryPaused canaryResumed canaryDone]" || w.events[1].Author != "bob" {
			w.t.Errorf("events %+v", w.events)
		}
	})
	bubble(t, func(w *fixture) { // conditions apply in a pause
		r := w.begun(10 * time.Second)
		w.act(r, lb.CanaryPause)
		pass(time.Hour)
		w.nature["2"] = behavior{bad: 100, ms: 5}
		s := w.await(r, lb.CanaryPhase.IsEnd)
		aborted(w.t, s, nil, 5, "broke 5xx")
		w.stands("1")
	})
}

func TestBackAndFinish(t *testing.T) {
	for _, paused := range []bool{false, true} {
		bubble(t, func(w *fixture) {
			r := w.begun(70 * time.Second)
			if paused {
				w.act(r, lb.CanaryPause)
			}
			s := w.act(r, lb.CanaryGoBack)
			aborted(w.t, s, nil, 25, "it was interrupted by bob")
			w.stands("1")
			for _, a := range []lb.CanaryAction{lb.CanaryPause, lb.CanaryResume, lb.CanaryGoBack, lb.CanaryFinish, lb.CanaryRenew} {
				if _, err := r.Act(w.t.Context(), "live", a, lb.Origin{}); !errors.As(err, new(*lb.ConflictError)) {
					w.t.Errorf("%s after the end: %v", a, err)
				}
			}
			if _, err := r.Act(w.t.Context(), "other", lb.CanaryGoBack, lb.Origin{}); !errors.As(err, new(*lb.NotFoundError)) {
				w.t.Errorf("without a canary: %v", err)
			}
		})
		bubble(t, func(w *fixture) {
			r := w.begun(70 * time.Second)
			if paused {
				w.act(r, lb.CanaryPause)
			}
			if s := w.act(r, lb.CanaryFinish); s.Phase != lb.CanaryDone || steps(s) != "1=95,2=5 1=75,2=25 2" {
				w.t.Errorf("%+v", s)
			}
			w.stands("2")
		})
	}
	bubble(t, func(w *fixture) { // while HAProxy does not answer
		r := w.begun(70 * time.Second)
		w.onRead[w.reads+1] = func() error { return &lb.UnavailableError{What: "HAProxy is not running"} }
		w.onRead[w.reads+2] = w.onRead[w.reads+1]
		r.Canaries() // for the race detector: before the next reading
		pass(2100 * time.Millisecond)
		s := w.act(r, lb.CanaryGoBack)
		aborted(w.t, s, nil, 25, "it was interrupted by bob")
	})
	bubble(t, func(w *fixture) { // while a step is being made
		r := w.runner()
		w.onSwitch[4] = func(applied func()) error { // the last one
			go func() { _, _ = r.Act(context.Background(), "live", lb.CanaryGoBack, lb.Origin{Author: "bob"}) }()
			<-time.After(time.Second)
			applied()
			return nil
		}
		w.running(r)
		if _, err := r.Start(w.t.Context(), w.request()); err != nil {
			w.t.Fatal(err)
		}
		aborted(w.t, w.await(r, lb.CanaryPhase.IsEnd), nil, 100, "it was interrupted by bob")
		w.stands("1")
	})
}

func TestOneCanaryForABackend(t *testing.T) {
	bubble(t, func(w *fixture) {
		r := w.begun(time.Second)
		_, err := r.Start(w.t.Context(), w.request())
		if conflict, ok := errors.AsType[*lb.ConflictError](err); !ok || !contains(conflict.Reason, "a canary of version 2 is under way (running, 5%)") {
			w.t.Errorf("%v", err)
		}
		w.act(r, lb.CanaryGoBack)
		if _, err := r.Start(w.t.Context(), w.request()); err != nil {
			w.t.Error(err)
		}
	})
}

// A canary with a lease goes back when nobody renews it.
func TestLease(t *testing.T) {
	lease := func(c *lb.Canary) { c.Lease = 30 * time.Second }
	bubble(t, func(w *fixture) {
		r := w.begun(0, lease)
		for range 4 {
			pass(25 * time.Second)
			w.act(r, lb.CanaryRenew)
		}
		if s, _ := r.Canary("live"); s.Phase != lb.CanaryRunning || s.Percent != 25 {
			w.t.Fatalf("%+v", s)
		}
		pass(33 * time.Second)
		aborted(w.t, w.await(r, lb.CanaryPhase.IsEnd), nil, 50, "nobody has followed it for 30s")
		w.stands("1")
	})
	bubble(t, func(w *fixture) { // in a pause, too
		r := w.begun(0, lease)
		w.act(r, lb.CanaryPause)
		pass(33 * time.Second)
		aborted(w.t, w.await(r, lb.CanaryPhase.IsEnd), nil, 5, "nobody has followed it for 30s")
	})
}

// Wherever the agent ends, the next one continues, and judges by what it has measured
// itself.
func TestRestartOfTheAgent(t *testing.T) {
	for _, at := range []time.Duration{0, 10 * time.Second, 60 * time.Second, 61 * time.Second, 150 * time.Second} {
		bubble(t, func(w *fixture) {
			r := w.runner()
			stop := w.running(r)
			if _, err := r.Start(w.t.Context(), w.request()); err != nil {
				w.t.Fatal(err)
			}
			pass(at)
			before, _ := r.Canary("live")
			stop()
			w.stands(before.Selection)
			r = w.runner()
			if s, err := r.Canary("live"); err != nil || s.Percent != before.Percent || s.Phase != lb.CanaryRunning {
				w.t.Fatalf("after the restart: %+v, %v", s, err)
			}
			w.running(r)
			begin := time.Now()
			s := w.await(r, func(p lb.CanaryPhase) bool { s, _ := r.Canary("live"); return s.Percent > before.Percent || p.IsEnd() })
			if took := time.Since(begin); took < time.Minute || s.Phase.IsEnd() && s.Phase != lb.CanaryDone {
				w.t.Errorf("at %s: the step was measured for %s more", at, took)
			}
			if s := w.await(r, lb.CanaryPhase.IsEnd); s.Phase != lb.CanaryDone || steps(s) != "1=95,2=5 1=75,2=25 1=50,2=50 2" {
				w.t.Errorf("%+v", s)
			}
		})
	}
}

// An agent that is killed in the middle of something leaves what was stored by then.
func TestDeathOfTheAgent(t *testing.T) {
	kill := func(w *fixture, is func(lb.CanaryState) bool) *canary.Runner {
		r := w.runner()
		ctx, end := context.WithCancel(context.Background())
		var left lb.CanaryState
		dead := false
		w.onSave = func(s lb.CanaryState) {
			switch {
			case dead:
				w.stored["live"] = left
			case is(s):
				dead, left = true, s
				end()
			}
		}
		done := make(chan struct{})
		go func() { defer close(done); _ = r.Run(ctx) }()
		if _, err := r.Start(w.t.Context(), w.request()); err != nil {
			w.t.Fatal(err)
		}
		<-done
		w.onSave = nil
		return w.runner()
	}
	bubble(t, func(w *fixture) { // before the answer to a step
		r := kill(w, func(s lb.CanaryState) bool { return s.Percent == 5 && s.Next != "" })
		w.running(r)
		if s := w.await(r, lb.CanaryPhase.IsEnd); s.Phase != lb.CanaryDone {
			w.t.Errorf("%+v", s)
		}
		w.stands("2")
	})
	bubble(t, func(w *fixture) { // on the way back
		w.onRead[40] = func() error { w.nature["2"] = behavior{status: "DOWN"}; return nil }
		r := kill(w, func(s lb.CanaryState) bool { return s.Phase == lb.CanaryGoingBack })
		w.running(r)
		aborted(w.t, w.await(r, lb.CanaryPhase.IsEnd), nil, 25, "every instance of version 2 down")
		w.stands("1")
	})
	bubble(t, func(w *fixture) { // before the first step
		s := lb.CanaryState{Canary: w.request(), Phase: lb.CanaryStarting, Tag: w.backend.ETag(), Next: "x"}
		w.stored["live"] = s
		r := w.runner()
		if len(r.Canaries()) > 0 || len(w.stored) > 0 {
			w.t.Errorf("%+v", r.Canaries())
		}
	})
	bubble(t, func(w *fixture) { // somebody else changes the backend meanwhile
		r := kill(w, func(s lb.CanaryState) bool { return s.Percent == 25 && s.Next == "" })
		w.change(func(b *lb.Backend) { b.Version, b.Versions = "3", nil })
		w.running(r)
		if s := w.await(r, lb.CanaryPhase.IsEnd); s.Phase != lb.CanarySuperseded || s.Now != "shop 3" {
			w.t.Errorf("%+v", s)
		}
		w.stands("3")
	})
}
