package safefile_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/internal/safefile"
)

// A file system that hangs costs the first caller the whole time, the next ones a tenth of
// it, and no more than a bounded number of threads.
func TestPatience(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, disk := safefile.NewPatience(10*time.Second), make(chan struct{})
		late := make(chan bool, 1)
		begin := time.Now()
		err := p.Do("/a", func(abandoned func() bool) error { <-disk; late <- abandoned(); return nil })
		if took := time.Since(begin); !errors.Is(err, safefile.ErrHangs) || took != 10*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		begin = time.Now()
		var n atomic.Int64
		for range 100 {
			if err := p.Do("/a", func(func() bool) error { n.Add(1); <-disk; return nil }); !errors.Is(err, safefile.ErrHangs) {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took != time.Duration(n.Load())*time.Second || n.Load() != 31 {
			t.Errorf("%d calls of 100 waited, %v together", n.Load(), took)
		}
		if !p.Hangs() {
			t.Error("nothing hangs")
		}
		close(disk)
		synctest.Wait()
		if !<-late {
			t.Error("a call that was given up does not learn it")
		}
		if err := p.Do("/a", func(func() bool) error { return nil }); err != nil || p.Hangs() {
			t.Errorf("after the disk is back: %v, hangs: %t", err, p.Hangs())
		}
	})
}

func TestNoPatience(t *testing.T) {
	t.Parallel()
	var p *safefile.Patience
	want := errors.New("x")
	if err := p.Do("/a", func(abandoned func() bool) error {
		if abandoned() {
			t.Error("given up")
		}
		return want
	}); !errors.Is(err, want) || p.Hangs() {
		t.Errorf("%v, hangs: %t", err, p.Hangs())
	}
}
