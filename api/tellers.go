package api

import (
	"runtime"
	"slices"
	"sync"
)

// Tellers tell followers what is due, a few at a time: a tick is due to all of
// them at once, and a goroutine for each would cost more than what it writes.
// They never wait for a client. The zero value is ready.
type tellers struct {
	mu      sync.Mutex
	due     []*follower
	next    int // in due
	running int
}

// add is for a follower who is not there yet.
func (t *tellers) add(f *follower) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next > len(t.due)/2 { // there may never be a moment when nobody is due
		t.due, t.next = slices.Delete(t.due, 0, t.next), 0
	}
	t.due = append(t.due, f)
	if t.running < runtime.GOMAXPROCS(0) {
		t.running++
		go t.tell()
	}
}

// tell goes on until nobody is due.
func (t *tellers) tell() {
	for f := t.take(); f != nil; f = t.take() {
		f.tellAll(false)
	}
}

// take takes the one who has waited longest; nil: the teller may go.
func (t *tellers) take() *follower {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.next == len(t.due) {
		t.running--
		t.due, t.next = t.due[:0], 0
		return nil
	}
	f := t.due[t.next]
	t.due[t.next] = nil
	t.next++
	return f
}
