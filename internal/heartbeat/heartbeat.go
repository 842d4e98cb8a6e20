// Package heartbeat finds out whether a loop hangs: the loop reports when it begins a step, and how
// long that step may take.
package heartbeat

import (
	"fmt"
	"sync"
	"time"
)

// A Beat is what one loop does now. Make it with New. The loop alone calls Busy, Idle and
// Step; Problem may be called from any goroutine.
type Beat struct {
	loop string

	mu   sync.Mutex
	now  step
	idle bool
}

// A step is what a loop does.
type step struct {
	what  string
	since time.Time
	until time.Time // when it should be over
}

// New returns the heartbeat of a loop that has not begun. loop is a noun phrase, such as
// "the control loop".
func New(loop string) *Beat { return &Beat{loop: loop, idle: true} }

// Busy ends the last step and begins another one. what is a noun phrase; most is how long the
// step may take, well above what it should take.
func (b *Beat) Busy(what string, most time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.now, b.idle = step{what: what, since: now, until: now.Add(most)}, false
}

// Idle ends the step: the loop waits for something to do.
func (b *Beat) Idle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.idle = true
}

// Step begins a step within the current one, whose time does not count until done is called.
func (b *Beat) Step(what string, most time.Duration) (done func()) {
	b.mu.Lock()
	outer, wasIdle, begun := b.now, b.idle, time.Now()
	b.mu.Unlock()
	b.Busy(what, most)
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		outer.until = outer.until.Add(time.Since(begun))
		b.now, b.idle = outer, wasIdle
	}
}

// Problem is a sentence that says in which step the loop hangs, and since when; empty: it does not
// hang.
func (b *Beat) Problem() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.idle || time.Now().Before(b.now.until) {
		return ""
	}
	return fmt.Sprintf("%s hangs in %s since %s (%s)", b.loop, b.now.what,
		b.now.since.UTC().Format(time.RFC3339), time.Since(b.now.since).Round(time.Second))
}
