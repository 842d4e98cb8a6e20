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

// A poke is a one-slot channel: its reader sees everything that happened before.
type poke chan struct{}

func newPoke() poke { return make(poke, 1) }

func (p poke) send() {
	select {
	case p <- struct{}{}:
	default: // the reader has not seen the last one yet
	}
}
