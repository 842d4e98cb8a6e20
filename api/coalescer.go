package api

import (
	"context"

	"golang.org/x/sync/singleflight"

	"thalassa/lb"
)

// A statusCoalescer has all who ask for the status at once share one reading of it:
// the health checkers of many balancers, pages and Prometheus come at the same
// moment. A reading is shared by those who come before it begins, so that nobody is told
// of what was before he came: a change that was answered shows.
type statusCoalescer struct {
	reads singleflight.Group
	lock  chan struct{} // of the one that is under way
}

func newStatusCoalescer() *statusCoalescer { return &statusCoalescer{lock: make(chan struct{}, 1)} }

// status is what read returns, or the error of ctx, whose end is no other's.
func (q *statusCoalescer) status(ctx context.Context, read func(context.Context) (lb.Status, error)) (lb.Status, error) {
	const next = "the next one"
	result := q.reads.DoChan(next, func() (any, error) {
		q.lock <- struct{}{}
		defer func() { <-q.lock }()
		q.reads.Forget(next) // who comes from now on has another one
		return read(context.WithoutCancel(ctx))
	})
	select {
	case r := <-result:
		st, _ := r.Val.(lb.Status) // it always is
		return st, r.Err
	case <-ctx.Done():
		return lb.Status{}, ctx.Err()
	}
}
