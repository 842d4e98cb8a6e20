package api

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"thalassa/auth"
)

// However many addresses show tokens, no more than so many are remembered.
func TestPatienceIsBounded(t *testing.T) {
	t.Parallel()
	var p authLimiter
	now := time.Unix(1_700_000_000, 0)
	sources := 3 * maxSources
	if testing.Short() {
		sources = maxSources + 100
	}
	for i := range sources {
		address := strconv.Itoa(i)
		for range 2 {
			p.admit(address, auth.TokenHash{}, false, now)
		}
		if wait, _ := p.admit(address, auth.TokenHash{1}, true, now); wait > 0 {
			t.Fatalf("%s has to wait %v", address, wait)
		}
	}
	if len(p.debt) > maxSources || len(p.trusted) > maxSources {
		t.Errorf("%d sources and %d tokens are remembered", len(p.debt), len(p.trusted))
	}
	// What is over is forgotten first: who pays goes on paying.
	now = now.Add(time.Hour)
	for range freeFailures {
		p.admit("guesser", auth.TokenHash{}, false, now)
	}
	for i := range maxSources - 1 {
		p.admit(fmt.Sprint("other", i), auth.TokenHash{}, false, now)
	}
	if wait, _ := p.admit("guesser", auth.TokenHash{}, false, now); wait == 0 {
		t.Error("others have paid for the guesser")
	}
}

// Many addresses that guess together are slowed down, and lock out nobody whose token is
// right: neither one that was right before, from anywhere, nor a new one.
func TestManySourcesGuessTogether(t *testing.T) {
	t.Parallel()
	var l authLimiter
	now := time.Unix(1_700_000_000, 0)
	known, unknown := auth.TokenHash{1}, auth.TokenHash{2}
	if wait, _ := l.admit("office", known, true, now); wait > 0 {
		t.Fatalf("a right token waits %v", wait)
	}
	guesses := 0 // that were looked at
	guess := func(round int) {
		for i := range 2000 {
			hash := auth.TokenHash{3, byte(i), byte(i >> 8), byte(round)}
			if wait, _ := l.admit(fmt.Sprint("guesser", i), hash, false, now); wait == 0 {
				guesses++
			}
		}
	}
	for round := range 5 {
		guess(round)
	}
	if guesses > freeForAll+10 {
		t.Errorf("%d guesses of 2000 addresses were looked at within a moment", guesses)
	}
	for _, from := range []string{"office", "home"} {
		if wait, _ := l.admit(from, known, true, now); wait > 0 {
			t.Errorf("a token that was right before waits %v at %s", wait, from)
		}
	}
	wait, _ := l.admit("train", unknown, true, now)
	if wait <= 0 || wait > failureEvery {
		t.Fatalf("a new token has to be shown again after %v", wait)
	}
	now = now.Add(wait)
	guess(9)
	if wait, _ := l.admit("train", unknown, true, now); wait > 0 {
		t.Errorf("a new token that is shown again waits %v once more", wait)
	}
	now = now.Add(time.Hour)
	if wait, _ := l.admit("hotel", auth.TokenHash{4}, true, now); wait > 0 {
		t.Errorf("an hour later a right token waits %v", wait)
	}
	if len(l.again) > maxSources || len(l.proven) > maxSources {
		t.Errorf("%d addresses and %d tokens are remembered", len(l.again), len(l.proven))
	}
}

func TestSources(t *testing.T) {
	for remote, want := range map[string]string{
		"192.0.2.7:1":                      "192.0.2.7",
		"[::ffff:192.0.2.7]:2":             "192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:3":         "2001:db8:1:2::/64",
		"[2001:db8:1:2:ffff:ffff::1%e0]:3": "2001:db8:1:2::/64",
		"@":                                "unknown",
	} {
		if got := source(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%s pays as %s, want %s", remote, got, want)
		}
	}
}

// try is a guess that is checked, or has to wait. The password is "right".
func (l *authLimiter) try(t *testing.T, source, password string, now time.Time) (wait time.Duration, v verdict) {
	t.Helper()
	g := l.guessOf(source, "ann", password)
	wait, err := l.begin(t.Context(), g, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	if wait > 0 {
		return wait, undecided
	}
	if v = isWrong; password == "right" && !g.isWrong {
		v = isRight
	}
	l.settle(g, v, now)
	return 0, v
}

// Whoever guesses for a name from many addresses does not lock its user out of a new one.
func TestGuessesForANameLockNobodyOut(t *testing.T) {
	var l authLimiter
	now := time.Now()
	guess := func(source string) { l.try(t, source, "wrong", now) }
	for i := range 100 {
		guess(fmt.Sprintf("192.0.2.%d", i))
	}
	wait, _ := l.try(t, "198.51.100.1", "right", now)
	if wait <= 0 || wait > failureEvery {
		t.Fatalf("a new address waits %s", wait)
	}
	for now = now.Add(time.Second); ; now = now.Add(time.Second) { // the others go on, and take each chance
		for i := range 100 {
			guess(fmt.Sprintf("192.0.2.%d", i))
		}
		if wait -= time.Second; wait <= 0 {
			break
		}
	}
	if again, v := l.try(t, "198.51.100.1", "right", now); again > 0 || v != isRight {
		t.Errorf("after its time it waits %s more", again)
	}
}

// Guesses where the user has logged in before are bounded as well. They count for nobody
// else, and those of others do not count there.
func TestGuessesAtTheAddressOfTheUser(t *testing.T) {
	var l authLimiter
	now := time.Now()
	if _, v := l.try(t, "office", "right", now); v != isRight {
		t.Fatal(v)
	}
	for i := range 20 { // elsewhere
		l.try(t, fmt.Sprint("192.0.2.", i), fmt.Sprint("wrong", i), now)
	}
	for range 20 { // beside the user, for others
		g := l.guessOf("office", "bob", "wrong")
		if wait, _ := l.begin(t.Context(), g, time.Now); wait == 0 {
			l.settle(g, isWrong, now)
		}
	}
	for range 50 { // a program that has an old password
		if _, v := l.try(t, "office", "old", now); v != isWrong {
			t.Fatalf("an old password: %v", v)
		}
	}
	if wait, v := l.try(t, "office", "right", now); v != isRight {
		t.Fatalf("the user waits %s", wait)
	}
	checked := 0
	for i := range 100 {
		if wait, _ := l.try(t, "office", fmt.Sprint("guess ", i), now); wait == 0 {
			checked++
		}
	}
	if checked != freeFailures-1 { // the old password was one
		t.Errorf("%d guesses were checked", checked)
	}
	if wait, _ := l.try(t, "office", "right", now); wait <= 0 || wait > failureEvery {
		t.Errorf("meanwhile the right one waits %s, and tells that it is right", wait)
	}
	if _, v := l.try(t, "office", "right", now.Add(failureEvery)); v != isRight {
		t.Errorf("after its time: %v", v)
	}
	if wait, v := l.try(t, "home", "right", now.Add(time.Hour)); v != isRight {
		t.Errorf("elsewhere the user waits %s", wait)
	}
	if len(l.pending) > 0 {
		t.Errorf("pending: %v", l.pending)
	}
}

// Until a guess is settled, it counts.
func TestGuessesCountWhileTheyAreChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l authLimiter
		number := 0
		begin := func() *guess {
			number++
			g := l.guessOf("192.0.2.1", "ann", fmt.Sprint("guess ", number))
			if wait, err := l.begin(t.Context(), g, time.Now); wait > 0 || err != nil {
				return nil
			}
			return g
		}
		first := make([]*guess, freeFailures)
		for i := range first {
			if first[i] = begin(); first[i] == nil {
				t.Fatal("one of the first has to wait")
			}
		}
		done := make(chan *guess)
		go func() { done <- begin() }()
		synctest.Wait()
		select {
		case <-done:
			t.Fatal("one more does not wait for the others")
		default:
		}
		l.settle(first[0], isRight, time.Now())
		next := <-done
		if next == nil {
			t.Fatal("one was right, and one more is not checked")
		}
		go func() { done <- begin() }()
		synctest.Wait()
		for _, g := range append(first[1:], next) {
			l.settle(g, isWrong, time.Now())
		}
		if <-done == nil {
			t.Error("one more after a right one has to wait") // it is known there
		}
		many := make(chan error, 200)
		for i := range cap(many) {
			go func() {
				g := l.guessOf("192.0.2.2", "bob", fmt.Sprint("guess ", i))
				_, err := l.begin(t.Context(), g, time.Now)
				many <- err
			}()
		}
		synctest.Wait()
		if len(many) != cap(many)-maxWaitingGuesses {
			t.Errorf("%d wait", cap(many)-len(many))
		}
		time.Sleep(guessPatience)
		synctest.Wait()
		if len(many) != cap(many) || l.waiting != 0 {
			t.Errorf("%d still wait, by the count %d", cap(many)-len(many), l.waiting)
		}
	})
}

// Identical guesses at the same time are one: they count once, and the right password is not
// refused because of them.
func TestIdenticalGuessesAreOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l authLimiter
		first := l.guessOf("192.0.2.1", "ann", "old")
		if wait, err := l.begin(t.Context(), first, time.Now); wait > 0 || err != nil {
			t.Fatal(wait, err)
		}
		done := make(chan *guess, 30)
		for range cap(done) {
			go func() {
				g := l.guessOf("192.0.2.1", "ann", "old")
				if wait, err := l.begin(t.Context(), g, time.Now); wait > 0 || err != nil {
					t.Errorf("an identical guess waits %s, %v", wait, err)
				}
				done <- g
			}()
		}
		synctest.Wait()
		if len(done) > 0 || l.pending["192.0.2.1"] != 1 {
			t.Fatalf("%d do not wait, %d count", len(done), l.pending["192.0.2.1"])
		}
		if _, v := l.try(t, "192.0.2.1", "right", time.Now()); v != isRight {
			t.Errorf("meanwhile the right password: %v", v)
		}
		l.settle(first, isWrong, time.Now())
		for range cap(done) {
			if g := <-done; !g.isWrong || len(g.counts) > 0 {
				t.Fatal("an identical guess is checked again")
			}
		}
		if owes := time.Until(l.debt["192.0.2.1"]); owes > failureEvery {
			t.Errorf("together they cost %s, expected %s", owes, failureEvery)
		}
		if len(l.checking) > 0 || len(l.pending) > 0 {
			t.Errorf("left: %v, %v", l.checking, l.pending)
		}
		// A check that came to nothing says nothing about the others.
		first = l.guessOf("192.0.2.3", "bob", "x")
		_, _ = l.begin(t.Context(), first, time.Now)
		next := make(chan *guess)
		go func() {
			g := l.guessOf("192.0.2.3", "bob", "x")
			_, _ = l.begin(t.Context(), g, time.Now)
			next <- g
		}()
		synctest.Wait()
		l.settle(first, undecided, time.Now())
		if g := <-next; g.isWrong || len(g.counts) == 0 {
			t.Error("a guess is wrong without a check")
		}
	})
}
