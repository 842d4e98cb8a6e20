package testkit

import (
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

// A Clock is the clock of a machine whose wall time a test sets. Durations between two of its
// readings are real, like those of the kernel's monotonic clock. Make it with NewClock.
type Clock struct{ ahead atomic.Int64 } // seconds

// NewClock returns a clock with the right time. It fails the test if the layout of Go's time.Time
// differs from what this package expects.
func NewClock(tb testing.TB) *Clock {
	tb.Helper()
	now := time.Now()
	if late := SetWall(now, time.Hour); late.Sub(now) != 0 || late.Round(0).Sub(now.Round(0)) != time.Hour {
		tb.Fatal("time.Time has another layout than expected: its wall time cannot be set without its monotonic time")
	}
	return &Clock{}
}

// Set sets the clock ahead of the right time, or behind it, by whole seconds.
func (c *Clock) Set(ahead time.Duration) { c.ahead.Store(int64(ahead / time.Second)) }

// Now is the time by this clock.
func (c *Clock) Now() time.Time {
	return SetWall(time.Now(), time.Duration(c.ahead.Load())*time.Second)
}

// SetWall is t with its wall time moved by whole seconds, and the same monotonic time:
// what time.Now gives after somebody has set the clock.
func SetWall(t time.Time, ahead time.Duration) time.Time {
	// The first word of a time with monotonic time has nanoseconds in its lowest 30 bits,
	// and seconds above.
	const nanosecondBits = 30
	*(*uint64)(unsafe.Pointer(&t)) += uint64(ahead/time.Second) << nanosecondBits //nolint:gosec // a sum in two's complement
	return t
}
