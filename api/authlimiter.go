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
)

// An authLimiter slows down sources that try tokens. While a source has to wait, right
// tokens from it are refused too; otherwise the answers would tell which are right. A
// token that was right from that source before is always accepted, so that a program
// with a wrong token does not lock out a program beside it. The zero value is ready.
type authLimiter struct {
	mu sync.Mutex
	// debt is the time until which a source pays for its failures. While that is less
	// than freeFailures ahead, the source may go on.
	debt    map[string]time.Time
	trusted map[trustedToken]bool
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
	if !right {
		return 0, l.fail(source, now)
	}
	if l.trusted == nil {
		l.trusted = map[trustedToken]bool{}
	}
	makeRoom(l.trusted)
	l.trusted[token] = true
	return 0, false
}

// wait is how long a source has to wait before it may try a password of a user, who is
// known by the name and by the key that admit gets; 0: not at all.
func (l *authLimiter) wait(source, name string, key auth.TokenHash, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trusted[trustedToken{source, key}] {
		return 0
	}
	free := now.Add((freeFailures - 1) * failureEvery)
	return max(0, l.debt[source].Sub(free), l.debt[name].Sub(free))
}

// failName records a wrong password of a user, wherever it came from.
func (l *authLimiter) failName(name string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.fail(name, now)
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
