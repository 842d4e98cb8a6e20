package agent

import (
	"context"
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
	// isEarly: whether the change applies depends on others that are not stored yet. It is
	// to wait again.
	isEarly bool
}

// permitted edits an intent, provided that the caller still has the right to the change: it
// may have waited, and others may have changed what it is about.
func (p *pendingChange) permitted(in lb.Intent) (lb.Intent, error) {
	if err := permit.Check(p.ctx); err != nil {
		return lb.Intent{}, err
	}
	next, err := p.edit(in)
	if err != nil {
		return next, err
	}
	return next, permit.Judge(p.ctx, in, next)
}

func (p *pendingChange) fail(err error) { p.done <- answer{err: err} }
