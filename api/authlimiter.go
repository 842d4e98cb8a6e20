package api

import (
	"maps"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"thalassa/auth"
)

const (
	// freeFailures are how many wrong tokens a source may show before it has to wait;
	// then it may show another one every failureEvery.
	freeFailures = 10
	failureEvery = 6 * time.Second
	// maxSources bounds how many sources with failures are remembered, and how many
	// right tokens with their sources.
	maxSources = 4096
	// freeForAll are how many wrong tokens all sources together may show before tokens
	// that nobody has shown right have to be shown twice; then one more every everybodyEvery.
	freeForAll     = 300
	everybodyEvery = 100 * time.Millisecond
)

// An authLimiter slows down sources that guess tokens. While a source has to wait, its valid tokens
// are refused too; otherwise the answers would reveal which are valid. A token that was valid from
// that source before is always accepted, so that a program with a wrong token does not lock out
// another program on the same machine.
//
// A second limit is for many sources that guess together. While it is reached, a token that was
// never valid has to be sent twice, with a pause in between. So nobody with a valid token is locked
// out, and each guess occupies an address for that time. The zero value is ready.
type authLimiter struct {
	mu sync.Mutex
	// debt is the time until which a source pays for its failures. While that is less than
	// freeFailures ahead, the source may continue.
	debt    map[string]time.Time
	trusted map[trustedToken]bool
	// everybody is the time until which all sources together pay for their failures.
	everybody time.Time
	proven    map[auth.TokenHash]bool // right before, from anywhere
	again     map[string]promise      // by source, and by source and name

	pending map[string]int // guesses that are being checked, by what they count for
	// checking are those of them that have a name. There are no more than pending has, and
	// those that a user may show where wrong passwords are known.
	checking map[guessKey]*guess
	settled  chan struct{}                 // closed when one of them is settled; nil: nobody waits
	waiting  int                           // for one to be settled
	wrong    map[trustedToken][]wrongGuess // of users at addresses where they have logged in
	key      []byte                        // of the digests of guesses
}

// A promise is a token that is checked when its source sends it again.
type promise struct {
	hash auth.TokenHash
	from time.Time
}

// A trustedToken is a token that was right, and the source it came from.
type trustedToken struct {
	source string
	hash   auth.TokenHash
}

// admit decides about a token that a source shows. wait: the source has to show it again
// after that time, and is not told whether it is right. first: it is the first wrong
// one for a while.
func (l *authLimiter) admit(source string, hash auth.TokenHash, right bool, now time.Time) (wait time.Duration, first bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	token := trustedToken{source, hash}
	if right && l.trusted[token] {
		return 0, false
	}
	if wait := l.debt[source].Sub(now.Add((freeFailures - 1) * failureEvery)); wait > 0 {
		return wait, false
	}
	if wait := l.secondLook(source, hash, right, now); wait > 0 {
		return wait, false
	}
	if !right {
		return 0, l.fail(source, now)
	}
	if l.trusted == nil {
		l.trusted, l.proven = map[trustedToken]bool{}, map[auth.TokenHash]bool{}
	}
	makeRoom(l.trusted)
	l.trusted[token] = true
	makeRoom(l.proven)
	l.proven[hash] = true
	return 0, false
}

// secondLook is how long a source has to wait until it may show a token again, while too
// many sources show wrong ones. The caller holds mu.
func (l *authLimiter) secondLook(source string, hash auth.TokenHash, right bool, now time.Time) time.Duration {
	if !l.everybody.After(now.Add((freeForAll-1)*everybodyEvery)) || right && l.proven[hash] {
		return 0
	}
	return l.keepPromise(source, hash, now)
}

// keepPromise is how long a source has to wait until it may send something again; 0: it has waited.
// The caller holds mu.
func (l *authLimiter) keepPromise(source string, hash auth.TokenHash, now time.Time) time.Duration {
	if p, ok := l.again[source]; ok && p.hash == hash {
		if wait := p.from.Sub(now); wait > 0 {
			return wait
		}
		delete(l.again, source)
		return 0
	}
	if l.again == nil {
		l.again = map[string]promise{}
	}
	makeRoom(l.again)
	l.again[source] = promise{hash: hash, from: now.Add(failureEvery)}
	return failureEvery
}

// fail records a failure, and reports whether it is the first for a while. The caller
// holds mu.
func (l *authLimiter) fail(source string, now time.Time) (first bool) {
	if l.debt == nil {
		l.debt = map[string]time.Time{}
	}
	until, owes := l.debt[source]
	if !owes {
		if len(l.debt) >= maxSources {
			maps.DeleteFunc(l.debt, func(_ string, until time.Time) bool { return !until.After(now) })
		}
		makeRoom(l.debt)
	}
	first = !until.After(now)
	if first {
		until = now
	}
	l.debt[source] = until.Add(failureEvery)
	if l.everybody.Before(now) {
		l.everybody = now
	}
	l.everybody = l.everybody.Add(everybodyEvery)
	return first
}

// makeRoom deletes an arbitrary entry when there are maxSources.
func makeRoom[K comparable, V any](m map[K]V) {
	if len(m) < maxSources {
		return
	}
	for k := range m {
		delete(m, k)
		return
	}
}

// source is the address that a request is counted under. For IPv6 it is the network,
// because one machine may have all addresses of it.
func source(r *http.Request) string {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return "unknown"
	}
	address := remote.Addr().Unmap().WithZone("")
	if address.Is6() {
		const network = 64 // bits
		return netip.PrefixFrom(address, network).Masked().String()
	}
	return address.String()
}

// seconds is a duration in the form of Retry-After.
func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second) + 1) }
