package api

import (
	"context"

	"golang.org/x/sync/singleflight"

	"thalassa/lb"
)

// An inquiry has all who want to know how things stand share one look at HAProxy:
// the health checkers of many balancers, pages and Prometheus come at the same
// moment. A look is shared by those who come before it begins, so that nobody is told
// of what was before he came: a change that was answered shows.
type inquiry struct {
	looks singleflight.Group
	turn  chan struct{} // of the one that is under way
}

func newInquiry() *inquiry { return &inquiry{turn: make(chan struct{}, 1)} }

// status is what look tells, or the error of ctx, whose end is no other's.
func (q *inquiry) status(ctx context.Context, look func(context.Context) (lb.Status, error)) (lb.Status, error) {
	const next = "the next one"
	result := q.looks.DoChan(next, func() (any, error) {
		q.turn <- struct{}{}
		defer func() { <-q.turn }()
		q.looks.Forget(next) // who comes from now on has another one
		return look(context.WithoutCancel(ctx))
	})
	select {
	case r := <-result:
		st, _ := r.Val.(lb.Status) // it always is
		return st, r.Err
	case <-ctx.Done():
		return lb.Status{}, ctx.Err()
	}
}
