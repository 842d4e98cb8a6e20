// Package wake lets goroutines wait for what another goroutine does. A Signal wakes all goroutines
// that wait for the next change of something that another one owns. A Poke wakes the owner. Neither
// carries a value: a goroutine that wakes up reads the state again. Pause waits for a time.
package wake

import "sync"

// A Signal wakes all goroutines that wait for it. The zero value is ready; all methods may
// be called concurrently.
type Signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// Next returns a channel that the next Broadcast closes. Take it before reading
// the state, so that no change is missed in between.
func (s *Signal) Next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

// Broadcast wakes all goroutines that wait now.
func (s *Signal) Broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// IsClosed reports whether a channel that carries nothing is closed.
func IsClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
