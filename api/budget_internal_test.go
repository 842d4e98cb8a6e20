package api

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/internal/permit"
)

// take acquires bytes in the background, and reports whether they are granted at once.
func take(t *testing.T, b *budget, caller string, size int64) (release func(), granted bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var err error
	done := false
	go func() {
		release, err = b.acquire(ctx, caller, size)
		done = true
	}()
	synctest.Wait()
	if !done {
		cancel()
		synctest.Wait()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("waiting ended with %v", err)
		}
	}
	return release, err == nil
}

func TestBudgetSharesBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget("bytes", 100)
		first, ok := take(t, b, "a", 1000) // cut to the share
		if !ok {
			t.Fatal("a caller with nothing waits")
		}
		if _, ok := take(t, b, "a", 1); ok {
			t.Error("a caller gets more than its share")
		}
		second, ok := take(t, b, "b", 50)
		if !ok {
			t.Error("another caller waits behind one that has its share")
		}
		if _, ok := take(t, b, "c", 1); ok {
			t.Error("there is more than the total")
		}
		first()
		first() // once more changes nothing
		if _, ok := take(t, b, "c", 51); !ok {
			t.Error("released bytes are not given to others")
		}
		second()
		if b.used != 50 || len(b.callers) != 1 {
			t.Errorf("%d bytes of %d callers are in use, want 50 of c", b.used, len(b.callers))
		}
	})
}

func TestBudgetAnswersThoseWhoWaitTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget("bytes", 100)
		if _, ok := take(t, b, "a", 50); !ok {
			t.Fatal("a caller with nothing waits")
		}
		begun := time.Now()
		_, err := b.acquire(t.Context(), "a", 10)
		refused, ok := errors.AsType[*ResponseError](err)
		if !ok || refused.Status != http.StatusServiceUnavailable || time.Since(begun) != budgetWait {
			t.Errorf("after %s: %v", time.Since(begun), err)
		}
		if len(b.waiting) > 0 {
			t.Error("a request that was refused still waits")
		}
	})
}

// Whoever waits for many bytes gets them in turn, and not behind every small request.
func TestBudgetServesInTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget("bytes", 100)
		first, _ := take(t, b, "a", 30)
		second, _ := take(t, b, "b", 30)
		large := make(chan struct{})
		go func() {
			if _, err := b.acquire(t.Context(), "c", 50); err == nil {
				close(large)
			}
		}()
		synctest.Wait()
		if _, ok := take(t, b, "d", 1); ok {
			t.Error("a small request overtakes a large one that waits")
		}
		first()
		<-large
		second()
	})
}

func TestAnswersLearnTheirSize(t *testing.T) {
	a := newAnswers(1 << 30)
	a.learn("/x", 800)
	for _, want := range []int64{700, 613} { // an eighth less each time
		a.learn("/x", 10)
		if got := a.expected("/x"); got != want {
			t.Errorf("expected %d, want %d", got, want)
		}
	}
	if a.learn("/x", 5000); a.expected("/x") != 5000 {
		t.Error("a larger answer does not count")
	}
}

// A list that has been begun waits for its next piece for longer than a request waits to
// begin, and so does not end in the middle.
func TestBegunAnswersWaitLonger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget("bytes", 100)
		holder, ok := take(t, b, "a", 50)
		if !ok {
			t.Fatal("a caller with nothing waits")
		}
		list := &pieces{}
		if got := list.patience(); got != budgetWait {
			t.Errorf("an answer that has not begun waits for %s", got)
		}
		list.begun = time.Now()
		time.AfterFunc(3*budgetWait, holder)
		if _, err := b.acquireWithin(t.Context(), "a", 10, list.patience()); err != nil || time.Since(list.begun) != 3*budgetWait {
			t.Errorf("after %s: %v", time.Since(list.begun), err)
		}
	})
}

// A caller who has lost its right while it waited for its turn gets nothing, and gives back
// what was meant for it.
func TestRevokedWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget("bytes", 100)
		turn := make(chan struct{}, 1)
		held, err := b.acquire(t.Context(), "a", 50)
		if err != nil {
			t.Fatal(err)
		}
		turn <- struct{}{}
		revoked, errRevoked := false, errors.New("the token is not known")
		ctx := permit.With(t.Context(), func() error {
			if revoked {
				return errRevoked
			}
			return nil
		})
		waits := make(chan error, 2)
		go func() {
			_, err := b.acquire(ctx, "a", 1)
			waits <- err
		}()
		go func() {
			_, err := OneAtATime(ctx, turn, "request")
			waits <- err
		}()
		synctest.Wait()
		revoked = true
		held()
		<-turn
		for range 2 {
			if err := <-waits; !errors.Is(err, errRevoked) {
				t.Errorf("waiting ended with %v", err)
			}
		}
		if b.used != 0 || len(turn) != 0 {
			t.Errorf("%d bytes and %d turns are held", b.used, len(turn))
		}
	})
}
