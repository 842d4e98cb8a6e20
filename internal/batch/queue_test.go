package batch_test

import (
	"math"
	"slices"
	"sync"
	"testing"

	"thalassa/internal/batch"
)

func TestEntriesAreTakenInTheOrderOfTheirArrival(t *testing.T) {
	var q batch.Queue[string]
	for _, entry := range []string{"a", "b", "c", "d", "e"} {
		q.Add(entry)
	}
	if !q.Remove("b") || q.Remove("b") || q.Has("b") || !q.Has("c") {
		t.Error("b was to be removed once, and c to stay")
	}
	first := q.Take(2)
	q.Add("f")
	if rest := q.Take(math.MaxInt); !slices.Equal(first, []string{"a", "c"}) || !slices.Equal(rest, []string{"d", "e", "f"}) {
		t.Errorf("taken %q, then %q", first, rest)
	}
	if q.Has("a") || q.Remove("d") || len(q.Take(math.MaxInt)) > 0 {
		t.Error("what was taken waits again")
	}
}

// TestEveryEntryIsTakenOnce: by whoever comes first.
func TestEveryEntryIsTakenOnce(t *testing.T) {
	const workers, each = 8, 200
	var q batch.Queue[int]
	var wg sync.WaitGroup
	taken := make([][]int, workers)
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				entry := w*each + i
				q.Add(entry)
				if i%3 == 0 && q.Remove(entry) {
					taken[w] = append(taken[w], entry)
				}
				taken[w] = append(taken[w], q.Take(2)...)
			}
		})
	}
	wg.Wait()
	all := slices.Concat(append(taken, q.Take(math.MaxInt))...)
	slices.Sort(all)
	if n := len(all); n != workers*each || len(slices.Compact(all)) != n {
		t.Errorf("%d entries were added, and %d taken: %v", workers*each, n, all)
	}
}
