package live

import (
	"runtime"
	"slices"
	"sync"
)

// A writerPool writes to subscribers with a few goroutines. A tick is due to all of
// them at once, and a goroutine for each would cost more than the writing.
// It never waits for a client. The zero value is ready.
type writerPool struct {
	mu      sync.Mutex
	due     []*subscriber
	next    int // in due
	running int
}

// add queues a subscriber that is not in the queue.
func (p *writerPool) add(s *subscriber) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next > len(p.due)/2 { // the queue may never be empty
		p.due, p.next = slices.Delete(p.due, 0, p.next), 0
	}
	p.due = append(p.due, s)
	if p.running < runtime.GOMAXPROCS(0) {
		p.running++
		go p.write()
	}
}

// write writes until no subscriber is due.
func (p *writerPool) write() {
	for s := p.take(); s != nil; s = p.take() {
		s.writeAll(false)
	}
}

// take removes the subscriber that has waited longest; nil: the goroutine ends.
func (p *writerPool) take() *subscriber {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == len(p.due) {
		p.running--
		p.due, p.next = p.due[:0], 0
		return nil
	}
	s := p.due[p.next]
	p.due[p.next] = nil
	p.next++
	return s
}
