package agent

import "sync"

// A latch is set once and stays set.
type latch struct {
	once sync.Once
	done chan struct{} // closed when it is set
}

func newLatch() *latch { return &latch{done: make(chan struct{})} }

func (l *latch) set() { l.once.Do(func() { close(l.done) }) }

func (l *latch) isSet() bool {
	select {
	case <-l.done:
		return true
	default:
		return false
	}
}
