package wake_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/internal/wake"
)

func TestPauseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if err := wake.Pause(t.Context(), time.Hour); err != nil || time.Since(begin) != time.Hour {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begin = time.Now()
		if err := wake.Pause(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Minute {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

func TestTheEndIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	failure := errors.New("failed")
	if err := wake.UnlessOver(ctx, failure); !errors.Is(err, failure) {
		t.Errorf("got %v while the context lasts", err)
	}
	cancel()
	if err := wake.UnlessOver(ctx, failure); err != nil {
		t.Errorf("got %v after its end", err)
	}
}
