package acme

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
)

// Times of an attempt.
const (
	attemptTime = 15 * time.Minute // all of it
	stepTime    = time.Minute      // one request with its repetitions
	provedTime  = 4 * time.Minute  // until the server has tried a challenge
)

// Times between attempts that fail.
const (
	firstPause = time.Minute
	nextPause  = 10 * time.Minute
	lastPause  = 6 * time.Hour
	// longestHold bounds what a server may ask for.
	longestHold = 7 * 24 * time.Hour
	// limitedPause is the pause after a refusal by a rate limit that names no time.
	limitedPause = time.Hour
)

// pauseAfter is the time from an attempt that failed to the next: a minute, then ten, and
// twice as much each time, up to six hours. Let's Encrypt allows five failures of a host
// name an hour. chance spreads the attempts of many certificates.
func pauseAfter(failures int, chance func(time.Duration) time.Duration) time.Duration {
	pause := firstPause
	for n := 1; n < failures && pause < lastPause; n++ {
		pause = max(nextPause, 2*pause)
	}
	pause = min(pause, lastPause)
	return pause + chance(pause/5)
}

// heldFor is how long a server wants no further attempt; 0: it has not said.
func heldFor(err error, now time.Time) time.Duration {
	e, ok := errors.AsType[*acme.Error](err)
	if !ok {
		return 0
	}
	limited := strings.HasSuffix(strings.ToLower(e.ProblemType), ":ratelimited") || e.StatusCode == http.StatusTooManyRequests
	hold := time.Duration(0)
	if text := e.Header.Get("Retry-After"); text != "" {
		if seconds, err := strconv.Atoi(text); err == nil {
			hold = time.Duration(min(max(seconds, 0), int(longestHold/time.Second))) * time.Second
		} else if date, err := http.ParseTime(text); err == nil {
			hold = date.Sub(now)
		}
	}
	if limited && hold <= 0 {
		hold = limitedPause
	}
	return min(max(hold, 0), longestHold)
}

// renewAt is when a certificate is due for renewal: when two thirds of its life are over, or up to
// a thirtieth of its life earlier. If less than that is left when it is issued, because the
// server's clock differs, it is kept for a third of the rest, so that orders never follow each
// other without a pause.
func renewAt(leaf x509, now time.Time, chance func(time.Duration) time.Duration) time.Time {
	life := leaf.NotAfter.Sub(leaf.NotBefore)
	at := leaf.NotBefore.Add(life*2/3 - chance(max(life/30, 1)))
	if least := now.Add(max(leaf.NotAfter.Sub(now)/3, time.Hour)); at.Before(least) {
		return least
	}
	return at
}

// due is the time of the next attempt.
func (r *record) due() time.Time {
	if _, issued := r.leaf(); !issued || r.Order != nil {
		return r.NextAttempt
	}
	if r.RenewAt.Before(r.NextAttempt) {
		return r.NextAttempt
	}
	return r.RenewAt
}

// isDead reports whether an error ends an order, so that the next attempt has to make
// another one.
func isDead(err error) bool {
	if _, ok := errors.AsType[*acme.OrderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*acme.AuthorizationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*answerError](err); ok {
		return true
	}
	e, ok := errors.AsType[*acme.Error](err)
	return ok && e.StatusCode >= 400 && e.StatusCode < 500 && e.StatusCode != http.StatusTooManyRequests && !isProblem(err, "ratelimited") && !isProblem(err, "badnonce")
}

// isProblem reports whether a server has answered with a problem of that type.
func isProblem(err error, kind string) bool {
	e, ok := errors.AsType[*acme.Error](err)
	return ok && strings.HasSuffix(strings.ToLower(e.ProblemType), ":"+kind)
}

// An answerError is an answer of a server that cannot be right.
type answerError struct{ text string }

func (e *answerError) Error() string { return "the server " + e.text }

// maxErrorText bounds what is kept of an error, in bytes.
const maxErrorText = 1000

// errorText is an error for people, on one line: servers write what they like.
func errorText(err error) string {
	text := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(err.Error(), "?"))
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "…"
	}
	return text
}
