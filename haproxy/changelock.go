package haproxy

import (
	"context"
	"fmt"
)

// A changeLock is held by the goroutine that changes the file on disk or the process. A mutex
// would not do: the wait for it ends with a context.
type changeLock chan struct{}

func newChangeLock() changeLock { return make(changeLock, 1) }

// lock waits until nobody else holds the lock.
func (l changeLock) lock(ctx context.Context) error {
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for another change of haproxy: %w", ctx.Err())
	}
}

// tryLock reports whether it has got the lock; it does not wait.
func (l changeLock) tryLock() bool {
	select {
	case l <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l changeLock) unlock() { <-l }

// isLocked reports whether a change is under way.
func (l changeLock) isLocked() bool { return len(l) > 0 }
