package api

import (
	"context"

	"golang.org/x/sync/singleflight"

	"thalassa/lb"
)

// A statusCoalescer lets all who ask for the status at the same time share one reading:
// health checks of many load balancers, pages and Prometheus often come together. A
// reading is shared by those who ask before it begins, so that nobody gets a status
// from before the question, and a change that was answered is visible.
type statusCoalescer struct {
	read    func(context.Context) (lb.Status, error)
	reads   singleflight.Group
	reading chan struct{} // one slot: a reading is under way
}

func newStatusCoalescer(read func(context.Context) (lb.Status, error)) *statusCoalescer {
	return &statusCoalescer{read: read, reading: make(chan struct{}, 1)}
}

// status is the result of a reading, or the error of ctx. The end of ctx does not end a
// reading that others wait for.
func (q *statusCoalescer) status(ctx context.Context) (lb.Status, error) {
	const next = "next"
	result := q.reads.DoChan(next, func() (any, error) {
		q.reading <- struct{}{}
		defer func() { <-q.reading }()
		q.reads.Forget(next) // whoever asks from now on waits for another reading
		return q.read(context.WithoutCancel(ctx))
	})
	select {
	case r := <-result:
		status, _ := r.Val.(lb.Status) // it always is
		return status, r.Err
	case <-ctx.Done():
		return lb.Status{}, ctx.Err()
	}
}
