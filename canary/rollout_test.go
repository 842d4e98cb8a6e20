package canary_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/api/node"
	"thalassa/canary"
	"thalassa/client"
	"thalassa/lb"
)

// bubble runs a test with a fixture of its own, and a clock that costs nothing.
func bubble(t *testing.T, f func(w *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(newFixture(t)) })
}

// aborted demands that a rollout has gone back, for a reason.
func aborted(t *testing.T, err error, percent int, reason string) canary.AbortedError {
	t.Helper()
	e, ok := errors.AsType[*canary.AbortedError](err)
	if !ok || !strings.Contains(e.Reason, reason) || e.Percent != percent {
		t.Fatalf("%v, want a way back at %d%% because %s", err, percent, reason)
	}
	return *e
}

func TestHealthyVersionGetsAllTraffic(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		begin := time.Now()
		var figures []canary.Figures
		w.onReport = func(e canary.Event) error {
			if e.Kind == canary.Watched {
				figures = append(figures, *e.Figures)
				if !e.Judged {
					t.Errorf("not judged: %+v", e)
				}
			}
			if e.Kind == canary.Stepped && (e.Path != "runtime" || e.Members != 6 || e.Figures != nil || e.Revision == 0) {
				t.Errorf("%+v", e)
			}
			return nil
		}
		if err := w.deploy(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.stands("2")
		want := []string{
			"stepped 5% 1=95,2=5", "watched 5% 1=95,2=5", "stepped 25% 1=75,2=25", "watched 25% 1=75,2=25",
			"stepped 50% 1=50,2=50", "watched 50% 1=50,2=50", "done 100% 2",
		}
		if !slices.Equal(w.said, want) {
			t.Errorf("said %q, want %q", w.said, want)
		}
		if took := time.Since(begin); took < 3*time.Minute || took > 3*time.Minute+10*time.Second {
			t.Errorf("it took %s", took)
		}
		for i, requests := range []int64{300, 1500, 3000} {
			if f := figures[i]; f.Requests < requests*9/10 || f.Requests > requests || f.ServerErrors+f.Errors != 0 || f.ResponseTimeMS < 3 || f.ResponseTimeMS > 7 {
				t.Errorf("step %d: %v, want about %d requests", i+1, f, requests)
			}
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
				e := aborted(t, w.deploy(t.Context()), 5, c.reason)
				w.stands("1")
				if e.ID != "backend/live" || e.Service != "shop" || e.Selection != "1" || e.Figures == nil || e.Pending != "" {
					t.Errorf("%+v", e)
				}
				if took := time.Since(begin); took > 30*time.Second { // not at the end of the step only
					t.Errorf("it took %s", took)
				}
				if last := w.said[len(w.said)-1]; last != "goingBack 5% 1=95,2=5" {
					t.Errorf("said %q", w.said)
				}
				if text := e.Error(); !strings.HasPrefix(text, "backend/live was rolled back to shop 1: at 5% ") || !strings.Contains(text, "% errors, ") {
					t.Error(text)
				}
			})
		})
	}
}

// What the old version does, and what was before the step, says nothing about the
// new one; a few requests do not either.
func TestOthersErrorsAreNotTheVersions(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		w.nature["1"] = behavior{bad: 50, broken: 20, ms: 3000}
		for range 1000 {
			w.line("2").respond(500, 4000)
		}
		if err := w.deploy(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.stands("2")
	})
	bubble(t, func(w *fixture) {
		t := w.t
		w.rate = 6
		w.nature["2"] = behavior{bad: 100, ms: 5}
		unjudged := 0
		w.onReport = func(e canary.Event) error {
			if e.Kind == canary.Watched && !e.Judged {
				unjudged++
			}
			return nil
		}
		e := aborted(t, w.deploy(t.Context()), 25, "broke 5xx>1%") // 18 requests a minute at 5%
		if e.Figures.Requests < 20 || unjudged != 1 {
			t.Errorf("%+v, %d steps not judged", e.Figures, unjudged)
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
		if err := w.deploy(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.nature["1"] = behavior{bad: 3, ms: 5}
		err := w.deploy(t.Context(), func(c *canary.Config) { c.Version = "1" })
		aborted(t, err, 5, "version 1 broke 5xx>1%")
		w.stands("2")
	})
}

func TestVersionThatLosesItsInstances(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		w.onRead[40] = func() error { w.healthy["2"] = 0; return nil }
		e := aborted(t, w.deploy(t.Context()), 25, "version 2 has no healthy instance any more")
		w.stands("1")
		if e.Figures.Requests == 0 {
			t.Errorf("%+v", e.Figures)
		}
	})
	bubble(t, func(w *fixture) { // just before a step
		t := w.t
		w.onReport = func(e canary.Event) error {
			if e.Kind == canary.Watched && e.Percent == 25 {
				w.healthy["2"] = 0
			}
			return nil
		}
		aborted(t, w.deploy(t.Context()), 25, "version 2 of service shop has no healthy instance")
		w.stands("1")
	})
}

func TestInterruption(t *testing.T) {
	for _, when := range []int{1, 2, 30, 40, 70} {
		bubble(t, func(w *fixture) {
			t := w.t
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			w.onRead[when] = func() error { stop(); return nil }
			e, ok := errors.AsType[*canary.AbortedError](w.deploy(ctx))
			if !ok || e.Reason != "it was interrupted" {
				t.Errorf("%+v", e)
			}
			w.stands("1")
		})
	}
	bubble(t, func(w *fixture) { // while a step is being made
		t := w.t
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w.onDeploy[2] = func(applied func()) error { stop(); applied(); return nil }
		aborted(t, w.deploy(ctx), 25, "it was interrupted")
		w.stands("1")
	})
	bubble(t, func(w *fixture) { // with the answer lost
		t := w.t
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		w.onDeploy[2] = func(applied func()) error {
			stop()
			applied()
			return answer(503, "unavailable", "gone")
		}
		aborted(t, w.deploy(ctx), 5, "it was interrupted")
		w.stands("1")
	})
	bubble(t, func(w *fixture) { // before anything has changed
		t := w.t
		ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		w.healthy["2"] = 0
		if err := w.deploy(ctx, func(c *canary.Config) { c.Wait = time.Minute }); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		w.stands("1")
		if w.edits != 0 {
			t.Errorf("%d changes", w.edits)
		}
	})
}

func TestWaitingForTheVersion(t *testing.T) {
	bubble(t, func(w *fixture) {
		t := w.t
		w.healthy["2"] = 0
		w.appears = time.Now().Add(20 * time.Second)
		if err := w.deploy(t.Context(), func(c *canary.Config) { c.Wait = time.Minute }); err != nil {
			t.Fatal(err)
		}
		w.stands("2")
	})
	bubble(t, func(w *fixture) {
		t := w.t
		w.healthy["2"] = 0
		begin := time.Now()
		err := w.deploy(t.Context(), func(c *canary.Config) { c.Wait = 30 * time.Second })
		if e, ok := errors.AsType[*client.Error](err); !ok || e.Status != 409 || time.Since(begin) < 30*time.Second {
			t.Errorf("%v after %s", err, time.Since(begin))
		}
		w.stands("1")
	})
}

func TestSomebodyElsesChangeStays(t *testing.T) {
	changes := map[string]struct {
		change func(*client.Backend)
		now    string
	}{
		"another version": {func(b *client.Backend) { b.Version, b.Versions = "3", nil }, "shop 3"},
		"another share": {func(b *client.Backend) {
			b.Versions = node.Versions{{Version: "1", Weight: 1}, {Version: "2", Weight: 1}}
		}, "shop 1=1,2=1"},
		"something else":  {func(b *client.Backend) { b.Balance = "leastconn" }, "shop 1=75,2=25"},
		"another service": {func(b *client.Backend) { b.Name = "toys" }, "toys 1=75,2=25"},
		"removal":         {func(b *client.Backend) { *b = client.Backend{} }, ""},
		"a static one":    {func(b *client.Backend) { *b = client.Backend{ID: "backend/live", Type: "static"} }, ""},
	}
	for name, c := range changes {
		check := func(w *fixture, err error, reason bool) {
			t := w.t
			t.Helper()
			after := w.backend
			c.change(&after)
			e, ok := errors.AsType[*canary.ForeignError](err)
			if !ok || e.ID != "backend/live" || e.Left != "1=75,2=25" || e.Now != c.now || (e.Reason != "") != reason {
				t.Errorf("%s: %+v, %v", name, e, err)
			}
			if text := err.Error(); !strings.HasPrefix(text, "backend/live was changed by somebody else while the canary had it at 1=75,2=25: ") || !strings.Contains(text, "left alone") {
				t.Errorf("%s: %s", name, text)
			}
			if w.backend.Selection() != after.Selection() || w.backend.Name != after.Name || w.backend.Balance != after.Balance || w.backend.ID != after.ID {
				t.Errorf("%s: it is now %+v", name, w.backend)
			}
		}
		bubble(t, func(w *fixture) { // seen while watching
			t := w.t
			w.onRead[40] = func() error { w.change(c.change); return nil }
			check(w, w.deploy(t.Context()), false)
		})
		bubble(t, func(w *fixture) { // just before a step
			t := w.t
			w.onReport = func(e canary.Event) error {
				if e.Kind == canary.Watched && e.Percent == 25 {
					w.change(c.change)
				}
				return nil
			}
			check(w, w.deploy(t.Context()), false)
		})
		bubble(t, func(w *fixture) { // just before the way back
			t := w.t
			w.onReport = func(e canary.Event) error {
				if e.Kind == canary.GoingBack {
					w.change(c.change)
				}
				return nil
			}
			w.onRead[40] = func() error { w.nature["2"] = behavior{status: "DOWN"}; return nil }
			check(w, w.deploy(t.Context()), true)
		})
	}
	bubble(t, func(w *fixture) { // between a step and its answer
		t := w.t
		w.onDeploy[2] = func(applied func()) error {
			applied()
			w.change(func(b *client.Backend) { b.Version, b.Versions = "3", nil })
			return nil
		}
		if err := w.deploy(t.Context()); !errors.As(err, new(*canary.ForeignError)) {
			t.Error(err)
		}
		w.stands("3")
	})
}

func TestWhereAWalkBegins(t *testing.T) {
	steps := func(w *fixture) string {
		var list []string
		for _, s := range w.said {
			if f := strings.Fields(s); f[0] == "stepped" || f[0] == "done" {
				list = append(list, f[2])
			}
		}
		return strings.Join(list, " ")
	}
	for name, c := range map[string]struct{ at, steps, back string }{
		"a split that an earlier rollout has left": {"1=75,2=25", "1=95,2=5 1=75,2=25 1=50,2=50 2", "1"},
		"two old versions":                         {"0=30,1=10", "0=7125,1=2375,2=500 0=5625,1=1875,2=2500 0=3750,1=1250,2=5000 2", "0=30,1=10"},
		"and a part of the new one":                {"0=10000,1=1,2=500", "0=9499,1=1,2=500 0=7499,1=1,2=2500 0=4999,1=1,2=5000 2", "0=10000,1=1"},
		"all of it by a split":                     {"1=0,2=100", "2", ""},
	} {
		begin := func(w *fixture) {
			split, err := lb.ParseSplit(c.at)
			if err != nil {
				t.Fatal(err)
			}
			w.healthy["0"] = 1
			w.change(func(b *client.Backend) { b.Version, b.Versions = "", node.Versions(split) })
		}
		bubble(t, func(w *fixture) {
			t := w.t
			begin(w)
			if err := w.deploy(t.Context()); err != nil || steps(w) != c.steps {
				t.Errorf("%s: %v, steps %q, want %q", name, err, steps(w), c.steps)
			}
		})
		if c.back == "" {
			continue
		}
		bubble(t, func(w *fixture) {
			t := w.t
			begin(w)
			w.nature["2"] = behavior{bad: 100, ms: 5}
			aborted(t, w.deploy(t.Context()), 5, "broke 5xx")
			w.stands(c.back)
		})
	}
	bubble(t, func(w *fixture) {
		t := w.t
		w.backend.Version = "2"
		if err := w.deploy(t.Context()); err != nil || steps(w) != "2" || w.edits != 0 {
			t.Errorf("it is there already: %v, %q", err, w.said)
		}
	})
}

func TestWalksThatDoNotBegin(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*fixture)
		want    string
	}{
		"no instance":  {func(w *fixture) { w.healthy["2"] = 0 }, "version 2 of service shop has no healthy instance"},
		"no backend":   {func(w *fixture) { w.backend.ID = "" }, "does not exist"},
		"static":       {func(w *fixture) { w.backend.Type = "static" }, "is static"},
		"refused":      {func(w *fixture) { w.onDeploy[1] = func(func()) error { return answer(422, "refused", "no") } }, "no"},
		"not allowed":  {func(w *fixture) { w.onDeploy[1] = func(func()) error { return answer(403, "forbidden", "no") } }, "no"},
		"two versions": {func(w *fixture) { w.backend.Version, w.backend.Versions = "", node.Versions(tooMany()) }, "17 versions"},
	} {
		bubble(t, func(w *fixture) {
			t := w.t
			c.prepare(w)
			before := w.backend.Selection()
			if err := w.deploy(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) || errors.As(err, new(*canary.AbortedError)) {
				t.Errorf("%s: %v, want %s", name, err, c.want)
			}
			w.stands(before)
			if len(w.said) > 0 || w.edits > 0 {
				t.Errorf("%s: said %q, %d changes", name, w.said, w.edits)
			}
		})
	}
}

func tooMany() lb.Split {
	var s lb.Split
	for v := range 16 {
		s = append(s, lb.Share{Version: lb.Version(fmt.Sprint("v", v)), Weight: 1})
	}
	return s
}
