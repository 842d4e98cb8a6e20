package consul

import (
	"context"
	"math/rand/v2"
	"time"

	"thalassa/internal/wake"
)

// Times of Follow.
const (
	followWait   = 45 * time.Second // for a change
	followIn     = 15 * time.Second // beyond the wait
	firstIn      = 5 * time.Second
	leastPause   = 100 * time.Millisecond // between two questions
	firstBackoff = 250 * time.Millisecond
	lastBackoff  = 15 * time.Second
)

// A BlockingQuery answers at once for the index 0, or else when there is something newer
// than that index, or after the wait. next is the index of the answer.
type BlockingQuery[T any] func(ctx context.Context, index uint64, wait time.Duration) (answer T, next uint64, err error)

// Follow repeats a query until ctx ends. each is called with the first answer and with every
// one that may differ from the one before, and with the error of each query that has failed.
// After an error the next answer counts as another one.
func Follow[T any](ctx context.Context, query BlockingQuery[T], each func(answer T, err error)) {
	index, backoff := uint64(0), firstBackoff
	for ctx.Err() == nil {
		within := followWait + followIn
		if index == 0 {
			within = firstIn
		}
		asking, cancel := context.WithTimeout(ctx, within)
		answer, next, err := query(asking, index, followWait)
		cancel()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			each(answer, err)
			index = 0
			_ = wake.Pause(ctx, Jitter(backoff))
			backoff = min(2*backoff, lastBackoff)
			continue
		}
		backoff = firstBackoff
		if next < index {
			next = 0 // Consul has lost its state
		}
		if next != index || next == 0 {
			each(answer, nil)
		}
		index = next
		_ = wake.Pause(ctx, leastPause)
	}
}

// Jitter is a time of half to one and a half of d.
func Jitter(d time.Duration) time.Duration { return d/2 + rand.N(d) } //nolint:gosec // no secret
