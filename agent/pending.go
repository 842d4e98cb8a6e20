package agent

import (
	"context"
	"slices"
	"sync"
	"time"

	"thalassa/internal/permit"
	"thalassa/lb"
)

// A pendingChange is a change that somebody waits for.
type pendingChange struct {
	ctx   context.Context //nolint:containedctx // of who waits, while others carry the change out; it ends nothing that is stored
	by    lb.Origin
	begin time.Time
	edit  func(lb.Intent) (lb.Intent, error) // may be called several times
	// isProven: HAProxy has checked the change alone.
	isProven bool
	done     chan answer // one slot
}

// An answer is what became of a pendingChange.
type answer struct {
	applied lb.Applied
	err     error
	// isOpen: the check of several changes has not come to an end. This one is to be
	// checked alone.
	isOpen bool
}

// permitted edits an intent, provided that the caller still has the right to the change: it
// may have waited.
func (p *pendingChange) permitted(in lb.Intent) (lb.Intent, error) {
	if err := permit.Check(p.ctx); err != nil {
		return lb.Intent{}, err
	}
	return p.edit(in)
}

func (p *pendingChange) fail(err error) { p.done <- answer{err: err} }

// A changeQueue has the changes that wait for a reload, in the order of their arrival. Its
// methods may be called from any goroutine.
type changeQueue struct {
	mu      sync.Mutex
	waiting []*pendingChange
}

func (q *changeQueue) add(p *pendingChange) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, p)
}

// remove takes back a change that nobody has begun to carry out, and tells whether it
// could.
func (q *changeQueue) remove(p *pendingChange) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.waiting)
	q.waiting = slices.DeleteFunc(q.waiting, func(w *pendingChange) bool { return w == p })
	return len(q.waiting) < n
}

func (q *changeQueue) has(p *pendingChange) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Contains(q.waiting, p)
}

// take returns the changes that are to be carried out together: at most the number given.
func (q *changeQueue) take(most int) []*pendingChange {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(most, len(q.waiting))
	taken := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	return taken
}
