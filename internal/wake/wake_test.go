package wake_test

import (
	"testing"
	"testing/synctest"

	"thalassa/internal/wake"
)

func TestBroadcastWakesEveryWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s wake.Signal
		woken := make(chan int, 3)
		for i := range 3 {
			next := s.Next()
			go func() {
				<-next
				woken <- i
			}()
		}
		synctest.Wait()
		if len(woken) != 0 {
			t.Fatalf("%d waiters woke before the broadcast", len(woken))
		}
		s.Broadcast()
		synctest.Wait()
		if len(woken) != 3 {
			t.Fatalf("%d of 3 waiters woke", len(woken))
		}
	})
}

func TestNextTakenBeforeAChangeSeesIt(t *testing.T) {
	var s wake.Signal
	s.Broadcast() // nobody waits: nothing happens
	next := s.Next()
	s.Broadcast()
	select {
	case <-next:
	default:
		t.Fatal("the broadcast after Next was missed")
	}
}

// A channel that carries nothing is open until it is closed.
func TestIsClosed(t *testing.T) {
	t.Parallel()
	c := make(chan struct{})
	if wake.IsClosed(c) {
		t.Error("an open channel is closed")
	}
	close(c)
	if !wake.IsClosed(c) {
		t.Error("a closed channel is open")
	}
}
