package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"thalassa/lb"
)

// testConcurrentCommits lets many add a backend each, all of them at once, and
// repeat what came too late, as the agent does.
func (s suite) testConcurrentCommits() {
	t := s.T
	const writers, each = 8, 5
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	failed := make(chan error, writers)
	for w := range writers {
		go func() {
			failed <- func() error {
				for n := range each {
					if err := add(ctx, s, lb.Name(fmt.Sprintf("b-%d-%d", w, n))); err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range writers {
		if err := <-failed; err != nil {
			t.Fatal(err)
		}
	}
	in := load(t, s)
	want(t, "revision", in.Revision, uint64(writers*each))
	want(t, "backends", len(in.Backends), writers*each)
	for i, rev := range revisions(t, s, 0, 0) {
		want(t, "number in the history", rev.Number, uint64(writers*each-i))
		want(t, "changes of one revision", len(rev.Changes), 1)
	}
}

func add(ctx context.Context, s Intents, key lb.Name) error {
	for {
		in, err := s.Load(ctx)
		if err != nil {
			return err
		}
		_, err = s.Commit(ctx, in.Revision, with(in, key), stamp(1))
		if _, stale := errors.AsType[*lb.StaleRevisionError](err); !stale {
			return err
		}
	}
}

func (s suite) testWaitAnswersAtOnce() {
	t := s.T
	commit(t, s, 0, Sample("1"), stamp(1))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := s.Wait(ctx, 0); err != nil {
		t.Fatal(err)
	}
}

func (s suite) testWaitWakesEverybody() {
	t := s.T
	const waiters = 50
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	woken := make(chan error, waiters)
	var ready sync.WaitGroup
	for range waiters {
		ready.Add(1)
		go func() {
			ready.Done()
			err := s.Wait(ctx, 0)
			if in, loadErr := s.Load(ctx); err == nil && (loadErr != nil || in.Revision == 0) {
				err = fmt.Errorf("woken without a revision: %w", loadErr)
			}
			woken <- err
		}()
	}
	ready.Wait()
	commit(t, s, 0, Sample("1"), stamp(1))
	for range waiters {
		if err := <-woken; err != nil {
			t.Fatal(err)
		}
	}
}

func (s suite) testWaitEndsWithItsContext() {
	t := s.T
	commit(t, s, 0, Sample("1"), stamp(1))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Wait(ctx, 1) }()
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}

// testWaitMissesNothing has followers who wait for every revision in turn while
// they are made as fast as can be.
func (s suite) testWaitMissesNothing() {
	t := s.T
	const followers, last = 10, 40
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ended := make(chan error, followers)
	for range followers {
		go func() {
			var seen uint64
			for seen < last {
				if err := s.Wait(ctx, seen); err != nil {
					ended <- fmt.Errorf("after %d: %w", seen, err)
					return
				}
				in, err := s.Load(ctx)
				if err != nil || in.Revision <= seen {
					ended <- fmt.Errorf("woken after %d and found %d: %w", seen, in.Revision, err)
					return
				}
				seen = in.Revision
			}
			ended <- nil
		}()
	}
	for n := range last {
		commit(t, s, uint64(n), Sample(strconv.Itoa(n)), stamp(n))
	}
	for range followers {
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}
