package agent

import (
	"context"

	"thalassa/internal/permit"
	"thalassa/lb"
)

// A changeLock admits one change at a time, and none once the agent is stopping. It is
// made locked: a change before the import would make the imported file look out of date.
type changeLock struct {
	slot  chan struct{} // full while a change is under way
	ended *latch        // no round will follow
}

func newChangeLock(ended *latch) *changeLock {
	l := &changeLock{slot: make(chan struct{}, 1), ended: ended}
	l.slot <- struct{}{}
	return l
}

func (l *changeLock) lock(ctx context.Context) error {
	select {
	case l.slot <- struct{}{}:
	case <-l.ended.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if l.ended.isSet() { // the slot does not matter any more
		return &lb.UnavailableError{What: stopping}
	}
	return nil
}

// lockFor is lock for work that a caller has asked for, who may lose the right to it while
// the work waits.
func (l *changeLock) lockFor(ctx context.Context) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	if err := permit.Check(ctx); err != nil {
		l.unlock()
		return err
	}
	return nil
}

func (l *changeLock) unlock() { <-l.slot }
