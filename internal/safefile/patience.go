package safefile

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// ErrHangs is the cause of an error about a file system that does not answer, such as a
// dead disk or server.
var ErrHangs = errors.New("the file system does not answer")

const (
	// maxHanging bounds the calls that hang: each occupies a thread.
	maxHanging = 32
	// impatience divides the time of a call while another one hangs.
	impatience = 10
)

// A Patience limits how long a program waits for file systems. Without it, one that hangs would
// block every goroutine that uses a file. Make it with NewPatience. Its methods may be called
// concurrently. A nil Patience waits for ever.
type Patience struct {
	most time.Duration

	mu      sync.Mutex
	hanging int // calls that have not returned in time
}

// NewPatience returns a Patience that waits that long, and a tenth of it while an earlier
// call still hangs.
func NewPatience(most time.Duration) *Patience { return &Patience{most: most} }

// Do runs do, which works on the file at path, and returns its error. When that takes too long the
// error is ErrHangs, and do continues in the background: it has to call abandoned before it makes
// anything visible to others, and to clean up where that is true.
func (p *Patience) Do(path string, do func(abandoned func() bool) error) error {
	if p == nil {
		return do(func() bool { return false })
	}
	most, ok := p.bound()
	if !ok {
		return fmt.Errorf("%s: %w", path, ErrHangs)
	}
	var abandoned atomic.Bool
	done := make(chan error, 1)
	go func() { done <- do(abandoned.Load) }()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	abandoned.Store(true)
	p.add(1)
	go func() {
		_ = <-done //nolint:staticcheck // S1005: errcheck wants it
		p.add(-1)
	}()
	return fmt.Errorf("%s: %w within %s", path, ErrHangs, most)
}

// Hangs reports whether a call still hangs.
func (p *Patience) Hangs() bool {
	if p == nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hanging > 0
}

// bound is how long the next call may take; false: too many hang.
func (p *Patience) bound() (time.Duration, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hanging > 0 {
		return p.most / impatience, p.hanging < maxHanging
	}
	return p.most, true
}

func (p *Patience) add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hanging += n
}
