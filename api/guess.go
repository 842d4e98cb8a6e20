package api

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"time"

	"thalassa/auth"
)

const (
	// maxWaitingGuesses is how many guesses may wait until it is known whether those before
	// them are wrong, and guessPatience how long.
	maxWaitingGuesses = 64
	guessPatience     = 10 * time.Second
	// keptWrong is how many wrong passwords of a user at an address are remembered.
	keptWrong = 4
)

// A guess is what somebody shows whose check takes time: a user's password, or what an
// identity provider has sent. From begin to settle it counts as a wrong one, so that of many
// at the same time no more are checked than of many one after the other.
type guess struct {
	source string
	name   auth.TokenHash // of the user's name; zero: none is known
	digest [sha256.Size]byte

	counts  []string // what it counts for if it is wrong
	isKnown bool     // the user has logged in at the source before
	isWrong bool     // it has just been found wrong, and needs no check

	// same is a guess of the same password for the same name and from the same source that was
	// being checked; nil: there was none. Its verdict is that of this one, too, if it is wrong.
	same    *guess
	verdict verdict // guarded by authLimiter.mu
}

// A guessKey is what identical guesses have in common.
type guessKey struct {
	source string
	name   auth.TokenHash
	digest [sha256.Size]byte
}

func (g *guess) key() guessKey { return guessKey{g.source, g.name, g.digest} }

// A verdict is what came of a guess.
type verdict int

const (
	undecided verdict = iota // nobody knows
	isRight
	isWrong
)

// A wrongGuess is a password that was wrong.
type wrongGuess struct {
	digest [sha256.Size]byte
	at     time.Time
}

// guessOf is a password that a source shows for a user.
func (l *authLimiter) guessOf(source, name, password string) *guess {
	l.mu.Lock()
	if l.key == nil {
		l.key = make([]byte, sha256.Size)
		_, _ = rand.Read(l.key) // never fails
	}
	m := hmac.New(sha256.New, l.key)
	l.mu.Unlock()
	m.Write([]byte(password))
	return &guess{source: source, name: sha256.Sum256([]byte("user\n" + name)), digest: [sha256.Size]byte(m.Sum(nil))}
}

// begin waits until a guess may be checked; then it has to be settled. With wait, or an
// error, it may not: the source has to wait that long, or too many guesses wait already.
//
// At an address where the user has logged in before, guesses count for this user there
// alone, and those of nobody else do: whoever guesses elsewhere, or for others, does not
// lock the user out. Nor does a program there that goes on showing the same wrong password.
// Identical guesses at the same time are one guess, anywhere: one is checked, and the others
// wait for its result.
// While many sources guess for a name, each that has waited gets its try: the user is not
// locked out, and each guess takes an address for that time.
func (l *authLimiter) begin(ctx context.Context, g *guess, now func() time.Time) (wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, guessPatience)
	defer cancel()
	for {
		l.mu.Lock()
		wait, mustWait := l.take(g, now())
		if !mustWait {
			l.mu.Unlock()
			return wait, nil
		}
		if l.waiting == maxWaitingGuesses {
			l.mu.Unlock()
			return 0, auth.ErrBusy
		}
		if l.settled == nil {
			l.settled = make(chan struct{})
		}
		settled := l.settled
		l.waiting++
		l.mu.Unlock()
		select {
		case <-settled:
		case <-ctx.Done():
			err = ctx.Err()
		}
		l.mu.Lock()
		l.waiting--
		l.mu.Unlock()
		if err != nil {
			return 0, err
		}
	}
}

// take begins a guess, if it may be checked now. With mustWait, that depends on those that
// are being checked. The caller holds mu.
func (l *authLimiter) take(g *guess, now time.Time) (wait time.Duration, mustWait bool) {
	if g.same != nil && g.same.verdict == isWrong {
		g.isWrong = true
		return 0, false
	}
	if g.same = l.checking[g.key()]; g.same != nil {
		return 0, true
	}
	free, pair := now.Add((freeFailures-1)*failureEvery), trustedToken{g.source, g.name}
	source, name := g.source, string(g.name[:])
	if g.isKnown = l.trusted[pair]; g.isKnown {
		for i, w := range l.wrong[pair] {
			if w.digest == g.digest {
				if g.isWrong = now.Sub(w.at) < failureEvery; !g.isWrong {
					l.wrong[pair][i].at = now
				}
				return 0, false
			}
		}
		source, name = g.source+" "+name, ""
	}
	g.counts = []string{source}
	if wait := l.debt[source].Sub(free); wait > 0 {
		return wait, false
	}
	if l.isFull(source, free, now) {
		return 0, true
	}
	if g.name != (auth.TokenHash{}) && name != "" {
		g.counts = append(g.counts, name)
		if l.debt[name].After(free) {
			if wait := l.keepPromise(g.source+" "+name, g.name, now); wait > 0 {
				return wait, false
			}
		} else if l.isFull(name, free, now) {
			return 0, true
		}
	}
	if l.pending == nil {
		l.pending = map[string]int{}
	}
	for _, key := range g.counts {
		l.pending[key]++
	}
	if g.name != (auth.TokenHash{}) {
		if l.checking == nil {
			l.checking = map[guessKey]*guess{}
		}
		l.checking[g.key()] = g
	}
	return 0, false
}

// isFull reports whether a further guess would be one too many if those that are being
// checked are wrong. The caller holds mu.
func (l *authLimiter) isFull(key string, free, now time.Time) bool {
	debt := l.debt[key]
	if debt.Before(now) {
		debt = now
	}
	return debt.Add(time.Duration(l.pending[key]) * failureEvery).After(free)
}

// settle says what came of a guess that has begun. first: it is the first wrong one for a
// while.
func (l *authLimiter) settle(g *guess, v verdict, now time.Time) (first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range g.counts {
		if l.pending[key]--; l.pending[key] <= 0 {
			delete(l.pending, key)
		}
	}
	if g.verdict = v; l.checking[g.key()] == g {
		delete(l.checking, g.key())
	}
	pair := trustedToken{g.source, g.name}
	switch {
	case v == isRight && g.name != (auth.TokenHash{}):
		if l.trusted == nil {
			l.trusted, l.proven = map[trustedToken]bool{}, map[auth.TokenHash]bool{}
		}
		makeRoom(l.trusted)
		l.trusted[pair] = true
	case v == isWrong:
		for i, key := range g.counts {
			if isFirst := l.fail(key, now); i == 0 {
				first = isFirst
			}
		}
		if g.isKnown && len(g.counts) > 0 {
			l.rememberWrong(pair, wrongGuess{g.digest, now})
		}
	}
	if l.settled != nil {
		close(l.settled)
		l.settled = nil
	}
	return first
}

// rememberWrong remembers the last wrong passwords of a user. The caller holds mu.
func (l *authLimiter) rememberWrong(pair trustedToken, w wrongGuess) {
	if l.wrong == nil {
		l.wrong = map[trustedToken][]wrongGuess{}
	}
	all, ok := l.wrong[pair]
	if !ok {
		makeRoom(l.wrong)
	}
	l.wrong[pair] = append(all[max(0, len(all)-keptWrong+1):], w)
}
