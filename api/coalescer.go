package api

import (
	"context"

	"golang.org/x/sync/singleflight"

	"thalassa/lb"
)

// A statusCoalescer lets concurrent requests for the status share one reading: health checks of
// many load balancers, pages and Prometheus often come together. Only requests from before the
// beginning of a reading share it. So nobody gets a status from before the request, and a change
// that was answered is visible.
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
