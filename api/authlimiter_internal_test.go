package api

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
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

// Whoever guesses for a name from many addresses does not lock its user out of a new one.
func TestGuessesForANameLockNobodyOut(t *testing.T) {
	var l authLimiter
	now := time.Now()
	key := auth.TokenHash{1}
	guess := func(source string) {
		if l.wait(source, "user ann", key, now) == 0 {
			l.admit(source, key, false, now)
			l.failName("user ann", now)
		}
	}
	for i := range 100 {
		guess(fmt.Sprintf("192.0.2.%d", i))
	}
	wait := l.wait("198.51.100.1", "user ann", key, now)
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
	if again := l.wait("198.51.100.1", "user ann", key, now); again > 0 {
		t.Errorf("after its time it waits %s more", again)
	}
}
