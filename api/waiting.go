package api

import (
	"context"
	"time"

	"thalassa/internal/permit"
)

// askEvery is the time between two checks whether the caller of a waiting request still has its
// rights.
const askEvery = 500 * time.Millisecond

// waiting is ctx for a request that only waits: it also ends with the server, and when the
// caller loses the right to what it waits for, which is the cause of the end then.
func waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	out, end := context.WithCancelCause(ctx)
	stop := func() bool { return true }
	if server, ok := ctx.Value(closing{}).(context.Context); ok {
		stop = context.AfterFunc(server, func() { end(nil) })
	}
	if permit.IsLimited(ctx) {
		go endWithout(out, end)
	}
	return out, func() { stop(); end(nil) }
}

// endWithout ends ctx as soon as the caller has lost its right.
func endWithout(ctx context.Context, end context.CancelCauseFunc) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := permit.Check(ctx); err != nil {
			end(err)
			return
		}
	}
}
