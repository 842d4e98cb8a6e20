package discovery

import (
	"testing"
	"time"

	"thalassa/consul"
)

// A few answers after a quiet time are read one after the other; a stream of them
// takes a twenty-first of the time.
func TestQueryRests(t *testing.T) {
	t.Parallel()
	const cost = 14 * time.Millisecond
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	q := &query{}
	answer := func() time.Duration {
		q.succeed(result{meta: consul.Meta{Index: 7, Cost: cost}}, true, now)
		return q.due.Sub(now)
	}
	free := 0
	for answer() <= minPause {
		free++
		now = q.due.Add(cost)
	}
	if want := int(credit / cost); free < want || free > want+2 {
		t.Errorf("%d answers without a rest, want %d", free, want)
	}
	begin, spent := now, time.Duration(0)
	for range 100 {
		now = q.due.Add(cost)
		spent += cost
		answer()
	}
	if share := float64(spent) / float64(now.Sub(begin)); share < 1.0/25 || share > 1.0/18 {
		t.Errorf("%.3f of the time is spent reading", share)
	}
	now = now.Add(restFactor * credit) // quiet
	if rest := answer(); rest > minPause {
		t.Errorf("a rest of %v after a quiet time", rest)
	}
	cheap := q.rest(time.Hour, now)
	if cheap != maxRest {
		t.Errorf("a rest of %v, want %v at most", cheap, maxRest)
	}
}
