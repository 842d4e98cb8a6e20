package agent_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/activity"
	"thalassa/lb"
)

// several puts a static backend for each raw line at the same time, and returns how the
// puts ended.
func (fx *fixture) several(lines ...string) (applied []lb.Applied, errs []error) {
	applied, errs = make([]lb.Applied, len(lines)), make([]error, len(lines))
	var all sync.WaitGroup
	for i, line := range lines {
		all.Go(func() { applied[i], errs[i] = fx.putNative(fmt.Sprintf("s-%d", i), line) })
	}
	all.Wait()
	return applied, errs
}

func lines(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("timeout server %ds", i+1)
	}
	return out
}

// TestChangesShareReloads: two hundred changes at once are as many revisions, in a few
// reloads and checks.
func TestChangesShareReloads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		begin, reloads, checks := time.Now(), fx.attempts(), fx.checks()
		applied, errs := fx.several(lines(200)...)
		numbers := map[uint64]bool{}
		for i, a := range applied {
			if errs[i] != nil || !a.Applied || a.Path != "reload" {
				t.Fatalf("change %d: %+v, %v", i, a, errs[i])
			}
			numbers[a.Revision] = true
		}
		if len(numbers) != 200 {
			t.Errorf("200 changes made %d revisions", len(numbers))
		}
		if n := fx.attempts() - reloads; n > 3 {
			t.Errorf("%d reloads", n)
		}
		if n := fx.checks() - checks; n > 3 {
			t.Errorf("%d checks", n)
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("took %s", took)
		}
		for i := range 200 {
			if !strings.Contains(fx.config(), fmt.Sprintf("timeout server %ds\n", i+1)) {
				t.Errorf("HAProxy lacks change %d", i)
			}
		}
		if n := fx.count(activity.ConfigurationChanged); n != 201 {
			t.Errorf("%d changes in the activity log, expected 201", n)
		}
	})
}

// TestOneOfManyIsRefused: only the change that HAProxy refuses fails, whether the check or
// the start shows it.
func TestOneOfManyIsRefused(t *testing.T) {
	for _, stage := range []string{"check", "start"} {
		t.Run(stage, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fx := newFixture(t)
				fx.ready("1.0.0 1001")
				const bad = "timeout server 17s"
				if stage == "check" {
					fx.checkRefuses = bad
				} else {
					fx.startRefuses = bad
				}
				reloads := fx.attempts()
				applied, errs := fx.several(lines(40)...)
				for i := range applied {
					switch isBad := i == 16; {
					case isBad && !refused(errs[i]):
						t.Errorf("the bad change gave %+v, %v", applied[i], errs[i])
					case !isBad && (errs[i] != nil || !applied[i].Applied):
						t.Errorf("change %d: %+v, %v", i, applied[i], errs[i])
					}
				}
				if n := fx.attempts() - reloads; stage == "check" && n > 3 {
					t.Errorf("%d reloads", n)
				}
				if config := fx.config(); strings.Contains(config, bad) || strings.Count(config, "timeout server") < 39 {
					t.Errorf("HAProxy runs\n%s", config)
				}
			})
		})
	}
}

// TestAHangingCheckHoldsNobodyUp: neither changes that came with it or later, nor
// deploys.
func TestAHangingCheckHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001", "1.1.0 1002")
		fx.checkHangs = "timeout server 7s"
		hanging := make(chan error, 1)
		go func() {
			_, err := fx.putNative("hanging", fx.checkHangs)
			hanging <- err
		}()
		pause(t.Context(), 100*time.Millisecond)
		begin := time.Now()
		if _, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 50*time.Millisecond {
			t.Errorf("the deploy took %s", took)
		}
		if _, err := fx.putNative("good", "timeout server 8s"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("the other change took %s", took)
		}
		if err := <-hanging; !errors.As(err, new(*lb.UnavailableError)) {
			t.Errorf("the change whose check hangs gave %v", err)
		}
	})
}

// TestAHangingCheckAmongMany: those that were checked together with it are carried out.
func TestAHangingCheckAmongMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.checkHangs = "timeout server 5s"
		_, errs := fx.several(lines(12)...)
		for i, err := range errs {
			if isBad := i == 4; isBad != errors.As(err, new(*lb.UnavailableError)) {
				t.Errorf("change %d gave %v", i, err)
			}
		}
		if n := strings.Count(fx.config(), "timeout server"); n < 11 {
			t.Errorf("HAProxy runs\n%s", fx.config())
		}
	})
}

// TestADeployOvertakesChanges that wait for their reload.
func TestADeployOvertakesChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.reload = time.Second
		fx.ready("1.0.0 1001", "1.1.0 1002")
		var all sync.WaitGroup
		all.Go(func() { fx.several(lines(80)...) })
		pause(t.Context(), 100*time.Millisecond)
		begin := time.Now()
		if _, err := fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took > 1500*time.Millisecond { // the reload under way
			t.Errorf("the deploy took %s", took)
		}
		all.Wait()
		fx.serves("1002")
	})
}

// TestAChangeThatNobodyWaitsFor is not carried out unless it has begun.
func TestAChangeThatNobodyWaitsFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.reload = time.Second
		fx.ready("1.0.0 1001")
		var all sync.WaitGroup
		all.Go(func() { _, _ = fx.putNative("first", "timeout server 1s") })
		pause(t.Context(), 100*time.Millisecond)
		ctx, cancel := context.WithCancel(t.Context())
		all.Go(func() {
			b := lb.Backend{Key: "left", Type: "static", Balance: "roundrobin", Mode: "http"}
			if _, err := fx.agent.Edit(ctx, lb.Edit{Backend: &b}); !errors.Is(err, context.Canceled) {
				t.Errorf("the change gave %v", err)
			}
		})
		pause(t.Context(), 100*time.Millisecond)
		cancel()
		all.Wait()
		if _, err := fx.putNative("last", "timeout server 2s"); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fx.config(), "left") {
			t.Errorf("HAProxy runs\n%s", fx.config())
		}
	})
}

// TestFirstChangeIsActedUponAtOnce: what follows within a moment is gathered.
func TestFirstChangeIsActedUponAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		fx.serves("1001")
		before := fx.adjustments()
		begin := time.Now()
		fx.consul("shop", 2, "", "1.0.0 1002")
		synctest.Wait()
		if fx.adjustments() != before+1 || time.Since(begin) > 0 {
			t.Errorf("%d changes at run time after %s", fx.adjustments()-before, time.Since(begin))
		}
		for i := range 10 {
			fx.consul("shop", uint64(3+i), "", fmt.Sprintf("1.0.0 %d", 1003+i))
			pause(t.Context(), time.Millisecond)
		}
		fx.serves("1012")
		if n := fx.adjustments() - before; n > 3 {
			t.Errorf("%d changes at run time for eleven in Consul", n)
		}
	})
}

// TestChangesAreJudgedByWhatIsStored: a condition that a change in the same batch would
// break holds if HAProxy refuses that change.
func TestChangesAreJudgedByWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fx := newFixture(t)
		fx.ready("1.0.0 1001")
		if _, err := fx.putNative("x", "timeout server 1s"); err != nil {
			t.Fatal(err)
		}
		in, err := fx.agent.Intent(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		x := in.Backends["x"]
		fx.checkRefuses = "timeout server 17s"
		var all sync.WaitGroup
		all.Go(func() { _, err = fx.putNative("first", "timeout server 2s") })
		synctest.Wait()
		var bad, good, stale error
		all.Go(func() { _, bad = fx.putNative("x", fx.checkRefuses) })
		synctest.Wait()
		edit := func(line, tag string) error {
			b := x
			b.Natives = []lb.RawLine{lb.RawLine(line)}
			_, err := fx.agent.Edit(t.Context(), lb.Edit{Backend: &b, IfMatch: []string{tag}})
			return err
		}
		all.Go(func() { good = edit("timeout server 3s", x.ETag()) })
		all.Go(func() { stale = edit("timeout server 4s", `"other"`) })
		all.Wait()
		if err != nil || !refused(bad) || good != nil || !errors.As(stale, new(*lb.PreconditionError)) {
			t.Errorf("the first: %v; the bad one: %v; the one with a condition: %v; the one with a wrong condition: %v", err, bad, good, stale)
		}
		if !strings.Contains(fx.config(), "timeout server 3s") {
			t.Errorf("HAProxy runs\n%s", fx.config())
		}
	})
}
