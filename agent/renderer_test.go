package agent_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/lb"
)

// counted is a fixture with an agent that runs, and how many configurations that has
// rendered.
func counted(t *testing.T) (*fixture, *atomic.Int64) {
	t.Helper()
	fx := newFixture(t)
	fx.archive = &archive{}
	fx.consul("shop", 1, "", "1.0.0 9000", "1.1.0 9001")
	fx.make()
	renders := fx.agent.CountRenders()
	t.Cleanup(fx.begin())
	pause(t.Context(), 5*time.Second)
	return fx, renders
}

// costs counts what a change costs until everything is written to disk.
func (fx *fixture) costs(renders *atomic.Int64, change func() (lb.Applied, error)) (path string, rendered int64, checked, applied int) {
	fx.t.Helper()
	read := func() (int64, int, int) {
		fx.mu.Lock()
		defer fx.mu.Unlock()
		return renders.Load(), fx.checked, fx.applies
	}
	rendersBefore, checksBefore, appliesBefore := read()
	done, err := change()
	if err != nil {
		fx.t.Fatal(err)
	}
	pause(fx.t.Context(), 5*time.Second)
	synctest.Wait()
	rendersAfter, checksAfter, appliesAfter := read()
	return done.Path, rendersAfter - rendersBefore, checksAfter - checksBefore, appliesAfter - appliesBefore
}

// A change that needs a reload is rendered and checked by HAProxy once: for the check,
// the reload, the file on disk and the archive.
func TestAChangeIsRenderedAndCheckedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx, renders := counted(t)
		path, rendered, checked, applied := fx.costs(renders, fx.put)
		if path != "reload" || rendered != 1 || checked != 1 || applied != 1 {
			t.Errorf("path %s: rendered %d times, checked %d times, applied %d times, want each once", path, rendered, checked, applied)
		}
		recorded := fx.archive.(*archive)
		recorded.mu.Lock()
		defer recorded.mu.Unlock()
		if n := len(recorded.texts); n == 0 || recorded.texts[n-1] != fx.config() {
			t.Errorf("the archive has %d texts, and not the one in effect last", n)
		}
	})
}

// A change of members alone is rendered once, for the file on disk, and needs no check.
func TestAChangeAtRunTimeIsRenderedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx, renders := counted(t)
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), 5*time.Second)
		path, rendered, checked, applied := fx.costs(renders, func() (lb.Applied, error) {
			return fx.agent.Switch(t.Context(), lb.Switch{Backend: "b", Version: "1.1.0"})
		})
		if path != "runtime" || rendered != 1 || checked != 0 || applied != 0 {
			t.Errorf("path %s: rendered %d times, checked %d times, applied %d times", path, rendered, checked, applied)
		}
		fx.serves("9001")
	})
}

// Where members change between the check and the reload, HAProxy gets the newest ones.
func TestMembersThatChangeAfterTheCheckAreNotForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fx, renders := counted(t)
		fx.lag = time.Second // between the commit and the round
		go func() {
			pause(t.Context(), 500*time.Millisecond)
			fx.consul("shop", 2, "", "1.0.0 9000", "1.0.0 9002")
		}()
		if _, err := fx.put(); err != nil {
			t.Fatal(err)
		}
		fx.serves("9000", "9002")
		if renders.Load() < 2 {
			t.Errorf("rendered %d times", renders.Load())
		}
	})
}
