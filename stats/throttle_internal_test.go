package stats

import (
	"testing"
	"time"
)

func TestHowOftenServersAreAskedAbout(t *testing.T) {
	begin := time.Now()
	after := func(lines, idle int, took time.Duration) throttle {
		return throttle{asked: begin, lines: lines, idle: idle, took: took}
	}
	between := after(10, 100, time.Millisecond)
	between.betweenTicks = true
	never := after(0, 0, 0)
	never.asked = time.Time{}
	for _, c := range []struct {
		about    string
		throttle throttle
		watched  bool
		want     time.Duration // after the last time
	}{
		{"few servers that nobody looks at", after(500, 100, 5*time.Millisecond), false, time.Second},
		{"few servers and a slow answer", after(60, 0, time.Second), true, time.Second},
		{"many servers that somebody looks at", after(10_000, 90, 100*time.Millisecond), true, time.Second},
		{"many servers that nobody looks at", after(10_000, 90, 70*time.Millisecond), false, 14 * time.Second},
		{"a busy HAProxy", after(10_000, 10, 70*time.Millisecond), true, 7 * time.Second},
		{"a busy HAProxy and machine", after(10_000, 10, 10*time.Second), true, 14 * time.Second},
		{"an idle HAProxy that gets no processor", after(10_000, 100, 300*time.Millisecond), true, 14 * time.Second},
		{"one that was asked between two ticks", between, true, time.Second},
	} {
		got := time.Second
		for !c.throttle.isDue(begin.Add(got-time.Millisecond), c.watched, time.Second) {
			got += time.Second
		}
		if got != c.want {
			t.Errorf("%s: asked after %s, want %s", c.about, got, c.want)
		}
	}
	if between.isDue(begin.Add(10*time.Millisecond), true, time.Second) {
		t.Error("rates would be of no time at all")
	}
	if !between.isDue(begin.Add(time.Second/2), true, time.Second) || !never.isDue(begin, false, time.Second) {
		t.Error("not asked when it is time")
	}
}
