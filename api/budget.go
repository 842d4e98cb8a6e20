package api

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"thalassa/internal/permit"
)

// budgetWait is how long a request waits for bytes of a budget.
const budgetWait = 10 * time.Second

// A budget bounds how many bytes requests hold at the same time, all together and for each caller.
// Requests wait in order, but nobody waits for a caller that has its share already. All methods may
// be called concurrently.
type budget struct {
	what  string // what the bytes are of, in the plural
	total int64
	share int64 // of one caller

	mu      sync.Mutex
	used    int64
	callers map[string]int64
	waiting []*waiter // in the order of their arrival
}

// A waiter is a request that waits for bytes.
type waiter struct {
	caller  string
	size    int64
	granted chan struct{}
}

// newBudget is a budget of total bytes, of which one caller gets half at most.
func newBudget(what string, total int64) *budget {
	return &budget{what: what, total: total, share: total / 2, callers: map[string]int64{}}
}

// acquire takes size bytes, at most the caller's share, and waits for them for a while. The
// error is a *ResponseError, that of ctx, or that of a caller who has lost its right
// meanwhile. release gives them back; it may be called
// more than once.
func (b *budget) acquire(ctx context.Context, caller string, size int64) (release func(), err error) {
	return b.acquireWithin(ctx, caller, size, budgetWait)
}

// claim is acquire for a request that counts as one.
func (b *budget) claim(c echo.Context) (release func(), err error) {
	return b.acquire(c.Request().Context(), payer(c), 1)
}

// inTurn answers with what a question brings, which is asked when it is the caller's turn.
func inTurn(c echo.Context, turns *budget, question func(context.Context) (any, error)) error {
	release, err := turns.claim(c)
	if err != nil {
		return err
	}
	defer release()
	answer, err := question(c.Request().Context())
	if err != nil {
		return err
	}
	return respond(c, http.StatusOK, answer)
}

// acquireWithin is acquire for a request that may wait longer, or not so long.
func (b *budget) acquireWithin(ctx context.Context, caller string, size int64, wait time.Duration) (release func(), err error) {
	w := &waiter{caller: caller, size: min(max(size, 0), b.share), granted: make(chan struct{})}
	b.mu.Lock()
	b.waiting = append(b.waiting, w)
	b.grant()
	b.mu.Unlock()
	release = sync.OnceFunc(func() { b.release(w) })
	select {
	case <-w.granted:
		return release, nil
	default:
	}
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case <-w.granted:
		if err = permit.Check(ctx); err == nil {
			return release, nil
		}
	case <-timeout.C:
		err = unavailableFailure("too many " + b.what + " are under way; try again later")
	case <-ctx.Done():
		err = ctx.Err()
	}
	release()
	return func() {}, err
}

// release gives back what w has, or ends its waiting.
func (b *budget) release(w *waiter) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
	} else {
		b.used -= w.size
		if b.callers[w.caller] -= w.size; b.callers[w.caller] <= 0 {
			delete(b.callers, w.caller)
		}
	}
	b.grant()
}

// grant serves those who wait, as far as the bytes go. The caller holds mu.
func (b *budget) grant() {
	full := false // a request waits for the total: none may overtake it
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter) bool {
		switch {
		case full || b.callers[w.caller]+w.size > b.share:
			return false
		case b.used+w.size > b.total:
			full = true
			return false
		}
		b.used += w.size
		b.callers[w.caller] += w.size
		close(w.granted)
		return true
	})
}
