package heartbeat_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/internal/heartbeat"
)

func TestLoopThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := heartbeat.New("the loop")
		time.Sleep(time.Hour)
		if p := b.Problem(); p != "" {
			t.Errorf("a loop that has not begun: %s", p)
		}
		b.Busy("a round", 10*time.Second)
		time.Sleep(9 * time.Second)
		if p := b.Problem(); p != "" {
			t.Errorf("within its time: %s", p)
		}
		time.Sleep(time.Second)
		if p := b.Problem(); !strings.Contains(p, "the loop hangs in a round since 2000-01-01T01:00:00Z (10s)") {
			t.Errorf("after its time: %q", p)
		}
		b.Idle()
		time.Sleep(time.Hour)
		if p := b.Problem(); p != "" {
			t.Errorf("a loop that waits for something to do: %s", p)
		}
	})
}

// The time of the outer step stands still during an inner one, which has its own bound.
func TestStepWithin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := heartbeat.New("the loop")
		b.Busy("a round", 10*time.Second)
		done := b.Step("a reload", time.Minute)
		time.Sleep(59 * time.Second)
		if p := b.Problem(); p != "" {
			t.Errorf("within the time of the inner step: %s", p)
		}
		time.Sleep(time.Second)
		if p := b.Problem(); !strings.Contains(p, "in a reload") {
			t.Errorf("after the time of the inner step: %q", p)
		}
		done()
		if p := b.Problem(); p != "" {
			t.Errorf("back in the outer step: %s", p)
		}
		time.Sleep(10 * time.Second)
		if p := b.Problem(); !strings.Contains(p, "in a round") {
			t.Errorf("after the time of the outer step: %q", p)
		}
	})
}
