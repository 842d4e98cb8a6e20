// Package batch is a queue of entries that are handled together: one of the waiting goroutines does
// the work for all of them. The package starts nothing and does not wait itself.
package batch

import (
	"slices"
	"sync"
)

// A Queue has the waiting entries in the order of their arrival. The zero value is an
// empty queue. All methods may be called concurrently.
type Queue[T comparable] struct {
	mu      sync.Mutex
	waiting []T
}

// Add appends an entry.
func (q *Queue[T]) Add(entry T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, entry)
}

// Has reports whether an entry is still waiting.
func (q *Queue[T]) Has(entry T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Contains(q.waiting, entry)
}

// Remove removes an entry, and reports whether it was still waiting.
func (q *Queue[T]) Remove(entry T) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, entry)
	if i < 0 {
		return false
	}
	q.waiting = slices.Delete(q.waiting, i, i+1)
	return true
}

// Take removes and returns the oldest entries, at most the number given.
func (q *Queue[T]) Take(most int) []T {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(most, len(q.waiting))
	taken := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return taken
}
