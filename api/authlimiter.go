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
	// freeFailures are wrong tokens from one source that cost nothing; each
	// further one is allowed after another failureEvery.
	freeFailures = 10
	failureEvery = 6 * time.Second
	// maxSources bounds how many sources with failures are remembered, and as many
	// right tokens with where they were shown.
	maxSources = 4096
)

// An authLimiter slows those down who try tokens. One bound is for all who come from
// the same source, right tokens too: or the answers would tell which are right.
// Only a token that has been right from there before goes on, so that a program
// with a wrong token keeps none out that works beside it. The zero value is ready.
type authLimiter struct {
	mu sync.Mutex
	// debt is until when a source pays for its failures, freeFailures at most;
	// while that is less than freeFailures ahead it may go on.
	debt    map[string]time.Time
	trusted map[trustedToken]bool
}

// A trustedToken is a token that was right, and where it came from.
type trustedToken struct {
	source string
	proof  auth.TokenHash
}

// admit judges a token that a source shows. wait: it has to be shown again after
// that time, and whether it is right is not told. first: it is the first wrong
// one for a while.
func (p *authLimiter) admit(source string, proof auth.TokenHash, right bool, now time.Time) (wait time.Duration, first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := trustedToken{source, proof}
	if right && p.trusted[shown] {
		return 0, false
	}
	if wait := p.debt[source].Sub(now.Add((freeFailures - 1) * failureEvery)); wait > 0 {
		return wait, false
	}
	if !right {
		return 0, p.fail(source, now)
	}
	if p.trusted == nil {
		p.trusted = map[trustedToken]bool{}
	}
	makeRoom(p.trusted)
	p.trusted[shown] = true
	return 0, false
}

// fail notes a failure, and reports whether it is the first for a while; mu is
// held.
func (p *authLimiter) fail(source string, now time.Time) (first bool) {
	if p.debt == nil {
		p.debt = map[string]time.Time{}
	}
	until, owes := p.debt[source]
	if !owes {
		if len(p.debt) >= maxSources {
			maps.DeleteFunc(p.debt, func(_ string, until time.Time) bool { return !until.After(now) })
		}
		makeRoom(p.debt)
	}
	first = !until.After(now)
	if first {
		until = now
	}
	p.debt[source] = until.Add(failureEvery)
	return first
}

// makeRoom forgets any one entry when there are maxSources.
func makeRoom[K comparable, V any](m map[K]V) {
	if len(m) < maxSources {
		return
	}
	for k := range m {
		delete(m, k)
		return
	}
}

// source is who pays together: an address, and of IPv6 its network, since one
// machine may have all addresses of that.
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

// seconds is a time in the form of Retry-After.
func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second) + 1) }
