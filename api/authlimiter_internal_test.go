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
