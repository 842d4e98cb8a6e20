package canary_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"thalassa/lb"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// steps are the selections of a canary's steps.
func steps(s lb.CanaryState) string {
	list := make([]string, len(s.History))
	for i, h := range s.History {
		list[i] = h.Selection
	}
	return strings.Join(list, " ")
}

func TestHealthyVersionGetsAllTraffic(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		begin := time.Now()
		s, err := w.deploy(t.Context())
		if err != nil || s.Phase != lb.CanaryDone || s.Percent != 100 {
			t.Fatalf("%v: %+v", err, s)
		}
		w.stands("2")
		if got := steps(s); got != "1=95,2=5 1=75,2=25 1=50,2=50 2" {
			t.Errorf("steps %s", got)
		}
		if took := time.Since(begin); took < 3*time.Minute || took > 3*time.Minute+10*time.Second {
			t.Errorf("it took %s", took)
		}
		for i, requests := range []int64{300, 1500, 3000} {
			h := s.History[i]
			if f := h.New; f.Requests < requests*9/10 || f.Requests > requests || f.ServerErrors+f.Errors != 0 || f.ResponseTimeMS < 3 || f.ResponseTimeMS > 7 || !h.Judged {
				t.Errorf("step %d: %v, want about %d requests", i+1, f, requests)
			}
			if old := 6000 - requests; h.Old.Requests < old*9/10 || h.Old.Requests > old || h.Measured < time.Minute {
				t.Errorf("step %d: the old version had %v in %s, want about %d requests", i+1, h.Old, h.Measured, old)
			}
			if h.Path != "runtime" || h.Members != 6 || h.Revision == 0 {
				t.Errorf("%+v", h)
			}
		}
		if got := w.verbs(); got != "[canaryStarted canaryDone]" {
			t.Errorf("events %s", got)
		}
		if stored := w.stored["live"]; stored.Phase != lb.CanaryDone || stored.Percent != 100 {
			t.Errorf("stored %+v", stored)
		}
	})
}

func TestBadVersionGoesBack(t *testing.T) {
	for name, c := range map[string]struct {
		nature behavior
		reason string
	}{
		"5xx":       {behavior{bad: 10, ms: 5}, "broke 5xx>1%"},
		"no answer": {behavior{broken: 10, ms: 5}, "broke errors>2%"},
		"slow":      {behavior{ms: 800}, "broke rtime>500ms"},
		"down":      {behavior{ms: 5, status: "DOWN 1/2"}, "checks find every instance of version 2 down"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(w *fixture) {
				t := w.t
				w.nature["2"] = c.nature
				for range 700 { // by a quick member that had the line before
					w.line("2").respond(200, 1)
				}
				begin := time.Now()
				s, err := w.deploy(t.Context())
				aborted(t, s, err, 5, c.reason)
				w.stands("1")
				if s.Service != "shop" || s.Selection != "1" || s.New == nil || s.Pending != "" || s.Ended.IsZero() {
					t.Errorf("%+v", s)
				}
				if took := time.Since(begin); took > 30*time.Second { // not at the end of the step only
					t.Errorf("it took %s", took)
				}
				if got := w.verbs(); got != "[canaryStarted canaryWentBack]" || !contains(w.events[1].Reasons[0], c.reason) {
					t.Errorf("events %+v", w.events)
				}
			})
		})
	}
}

// What the old version does, and what was before the step, says nothing about the
// new one; a few requests do not either.
func TestOthersErrorsAreNotTheVersions(t *testing.T) {
	bubble(t, func(w *fixture) {
		w.nature["1"] = behavior{bad: 50, broken: 20, ms: 3000}
		for range 1000 {
			w.line("2").respond(500, 4000)
		}
		if s, err := w.deploy(w.t.Context()); err != nil || s.Phase != lb.CanaryDone {
			w.t.Fatal(s, err)
		}
		w.stands("2")
	})
	bubble(t, func(w *fixture) {
		t := w.t
		w.rate = 6
		w.nature["2"] = behavior{bad: 100, ms: 5}
		s, err := w.deploy(t.Context())
		aborted(t, s, err, 25, "broke 5xx>1%") // 18 requests a minute at 5%
		if s.New.Requests < 20 || s.History[0].Judged || s.History[0].New == nil {
			t.Errorf("%+v, first step %+v", s.New, s.History[0])
		}
	})
}

func TestWorkersComeAndGo(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		for n := 5; n < 200; n += 7 {
			w.onRead[n] = func() error {
				for _, c := range w.lines {
					c.restart()
				}
				return nil
			}
		}
		if _, err := w.deploy(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.nature["1"] = behavior{bad: 3, ms: 5}
		s, err := w.deploy(t.Context(), func(c *lb.Canary) { c.Version = "1" })
		aborted(t, s, err, 5, "version 1 broke 5xx>1%")
		w.stands("2")
	})
}

// atEnd runs f when the figures at the end of a step are stored.
func (w *fixture) atEnd(percent int, f func()) {
	w.onSave = func(s lb.CanaryState) {
		if n := len(s.History); s.Percent == percent && n > 0 && s.History[n-1].New != nil && s.Next == "" {
			w.onSave = nil
			f()
		}
	}
}

func TestVersionThatLosesItsInstances(t *testing.T) {
	bubble(t, func(w *fixture) {
		w.onRead[40] = func() error { w.healthy["2"] = 0; return nil }
		s, err := w.deploy(w.t.Context())
		aborted(w.t, s, err, 25, "version 2 has no healthy instance any more")
		w.stands("1")
		if s.New.Requests == 0 {
			w.t.Errorf("%+v", s.New)
		}
	})
	bubble(t, func(w *fixture) { // just before a step
		w.atEnd(25, func() { w.healthy["2"] = 0 })
		s, err := w.deploy(w.t.Context())
		aborted(w.t, s, err, 25, "version 2 of service shop has no healthy instance")
		w.stands("1")
	})
}

func TestWaitingForTheVersion(t *testing.T) {
	waiting := func(d time.Duration) func(*lb.Canary) { return func(c *lb.Canary) { c.Wait = d } }
	bubble(t, func(w *fixture) {
		w.healthy["2"] = 0
		w.appears = time.Now().Add(20 * time.Second)
		if s, err := w.deploy(w.t.Context(), waiting(time.Minute)); err != nil || s.Phase != lb.CanaryDone {
			w.t.Fatal(s, err)
		}
		w.stands("2")
	})
	bubble(t, func(w *fixture) {
		w.healthy["2"] = 0
		begin := time.Now()
		_, err := w.deploy(w.t.Context(), waiting(30*time.Second))
		if !errors.As(err, new(*lb.ConflictError)) || time.Since(begin) < 30*time.Second {
			w.t.Errorf("%v after %s", err, time.Since(begin))
		}
		w.stands("1")
	})
	bubble(t, func(w *fixture) { // the caller goes away before anything has changed
		ctx, stop := context.WithTimeout(w.t.Context(), 5*time.Second)
		defer stop()
		w.healthy["2"] = 0
		if _, err := w.deploy(ctx, waiting(time.Minute)); !errors.Is(err, context.DeadlineExceeded) {
			w.t.Error(err)
		}
		w.stands("1")
		if len(w.stored) > 0 || len(w.events) > 0 {
			w.t.Errorf("stored %v, events %v", w.stored, w.events)
		}
	})
}

func TestSomebodyElsesChangeStays(t *testing.T) {
	changes := map[string]struct {
		change func(*lb.Backend)
		now    string
	}{
		"another version": {func(b *lb.Backend) { b.Version, b.Versions = "3", nil }, "shop 3"},
		"another share":   {func(b *lb.Backend) { b.Versions = lb.Split{{Version: "1", Weight: 1}, {Version: "2", Weight: 1}} }, "shop 1=1,2=1"},
		"something else":  {func(b *lb.Backend) { b.Balance = "leastconn" }, "shop 1=75,2=25"},
		"another service": {func(b *lb.Backend) { b.Service = "toys" }, "toys 1=75,2=25"},
		"removal":         {func(b *lb.Backend) { *b = lb.Backend{} }, ""},
		"a static one":    {func(b *lb.Backend) { *b = lb.Backend{Key: "live", Type: "static"} }, ""},
	}
	for name, c := range changes {
		check := func(w *fixture, s lb.CanaryState, err error, reason bool) {
			t := w.t
			t.Helper()
			after := w.backend
			c.change(&after)
			if err != nil || s.Phase != lb.CanarySuperseded || s.Selection != "1=75,2=25" || s.Now != c.now || (s.Reason != "") != reason {
				t.Errorf("%s: %+v, %v", name, s, err)
			}
			if w.backend.ETag() != after.ETag() {
				t.Errorf("%s: it is now %+v", name, w.backend)
			}
		}
		bubble(t, func(w *fixture) { // seen while watching
			w.onRead[40] = func() error { w.change(c.change); return nil }
			s, err := w.deploy(w.t.Context())
			check(w, s, err, false)
		})
		bubble(t, func(w *fixture) { // just before a step
			w.atEnd(25, func() { w.change(c.change) })
			s, err := w.deploy(w.t.Context())
			check(w, s, err, false)
		})
		bubble(t, func(w *fixture) { // just before the way back
			w.onSave = func(s lb.CanaryState) {
				if s.Phase == lb.CanaryGoingBack {
					w.onSave = nil
					w.change(c.change)
				}
			}
			w.onRead[40] = func() error { w.nature["2"] = behavior{status: "DOWN"}; return nil }
			s, err := w.deploy(w.t.Context())
			check(w, s, err, true)
		})
	}
	bubble(t, func(w *fixture) { // between a step and its answer
		w.onSwitch[2] = func(applied func()) error {
			applied()
			w.change(func(b *lb.Backend) { b.Version, b.Versions = "3", nil })
			return nil
		}
		if s, err := w.deploy(w.t.Context()); err != nil || s.Phase != lb.CanarySuperseded {
			w.t.Error(s, err)
		}
		w.stands("3")
	})
}

func TestWhereACanaryBegins(t *testing.T) {
	for name, c := range map[string]struct{ at, steps, back string }{
		"a split that an earlier canary has left": {"1=75,2=25", "1=95,2=5 1=75,2=25 1=50,2=50 2", "1"},
		"two old versions":                        {"0=30,1=10", "0=7125,1=2375,2=500 0=5625,1=1875,2=2500 0=3750,1=1250,2=5000 2", "0=30,1=10"},
		"and a part of the new one":               {"0=10000,1=1,2=500", "0=9499,1=1,2=500 0=7499,1=1,2=2500 0=4999,1=1,2=5000 2", "0=10000,1=1"},
		"all of it by a split":                    {"1=0,2=100", "2", ""},
	} {
		begin := func(w *fixture) {
			split, err := lb.ParseSplit(c.at)
			if err != nil {
				t.Fatal(err)
			}
			w.healthy["0"] = 1
			w.change(func(b *lb.Backend) { b.Version, b.Versions = "", split })
		}
		bubble(t, func(w *fixture) {
			begin(w)
			if s, err := w.deploy(w.t.Context()); err != nil || s.Phase != lb.CanaryDone || steps(s) != c.steps {
				w.t.Errorf("%s: %v, %s, steps %q, want %q", name, err, s.Phase, steps(s), c.steps)
			}
		})
		if c.back == "" {
			continue
		}
		bubble(t, func(w *fixture) {
			begin(w)
			w.nature["2"] = behavior{bad: 100, ms: 5}
			s, err := w.deploy(w.t.Context())
			aborted(w.t, s, err, 5, "broke 5xx")
			w.stands(c.back)
		})
	}
	bubble(t, func(w *fixture) {
		w.backend.Version = "2"
		if s, err := w.deploy(w.t.Context()); err != nil || s.Phase != lb.CanaryDone || steps(s) != "2" {
			w.t.Errorf("it is there already: %v, %+v", err, s)
		}
	})
}

func TestCanariesThatDoNotBegin(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fixture)
		want    string
	}{
		"no instance": {func(w *fixture) { w.healthy["2"] = 0 }, "version 2 of service shop has no healthy instance"},
		"no backend":  {func(w *fixture) { w.backend.Key = "" }, "does not exist"},
		"static":      {func(w *fixture) { w.backend.Type = "static" }, "is static"},
		"refused": {func(w *fixture) {
			w.onSwitch[1] = func(func()) error { return &lb.RefusedError{At: "check", Output: "no"} }
		}, "no"},
		"unavailable":  {func(w *fixture) { w.away = time.Now().Add(time.Second) }, "nobody answers"},
		"two versions": {func(w *fixture) { w.backend.Version, w.backend.Versions = "", tooMany() }, "17 versions"},
		"changed first": {func(w *fixture) {
			w.onSwitch[1] = func(func()) error { return &lb.PreconditionError{ID: "backend/live"} }
		}, "changed by somebody else before the first step"},
	} {
		bubble(t, func(w *fixture) {
			c.prepare(w)
			before := w.backend.Selection()
			away := w.away
			w.away = time.Time{}
			r := w.runner()
			w.running(r)
			w.away = away
			if _, err := r.Start(w.t.Context(), w.request()); err == nil || !contains(err.Error(), c.want) {
				w.t.Errorf("%s: %v, want %s", name, err, c.want)
			}
			w.stands(before)
			if len(w.stored) > 0 || len(w.events) > 0 || len(r.Canaries()) > 0 {
				w.t.Errorf("%s: stored %v, events %v", name, w.stored, w.events)
			}
		})
	}
}

func tooMany() lb.Split {
	var s lb.Split
	for v := range 16 {
		s = append(s, lb.Share{Version: lb.Version(fmt.Sprint("v", v)), Weight: 1})
	}
	return slices.SortedFunc(slices.Values(s), func(a, b lb.Share) int { return strings.Compare(string(a.Version), string(b.Version)) })
}
