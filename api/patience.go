package api

import (
	"strconv"
	"sync"
	"time"
)

const (
	// freeFailures are wrong tokens from one address that cost nothing; each
	// further one is allowed after another failureEvery.
	freeFailures = 10
	failureEvery = 6 * time.Second
	// maxAddresses bounds how many addresses are remembered.
	maxAddresses = 4096
)

// A patience slows those down who try tokens. The zero value is ready.
type patience struct {
	mu sync.Mutex
	// debt is until when an address pays for its failures, freeFailures at most;
	// while that is less than freeFailures ahead it may go on.
	debt map[string]time.Time
}

// wait is how long an address has to wait before it may try; 0: not at all.
func (p *patience) wait(address string, now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	until := p.debt[address]
	if !until.After(now) {
		return 0
	}
	return max(0, until.Sub(now)-(freeFailures-1)*failureEvery)
}

// fail notes a failure, and reports whether it is the first for a while.
func (p *patience) fail(address string, now time.Time) (first bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.debt) >= maxAddresses {
		for a, until := range p.debt {
			if !until.After(now) {
				delete(p.debt, a)
			}
		}
		if len(p.debt) >= maxAddresses {
			clear(p.debt)
		}
	}
	if p.debt == nil {
		p.debt = map[string]time.Time{}
	}
	until := p.debt[address]
	first = !until.After(now)
	if first {
		until = now
	}
	if most := now.Add(freeFailures * failureEvery); until.Add(failureEvery).Before(most) {
		p.debt[address] = until.Add(failureEvery)
	} else {
		p.debt[address] = most
	}
	return first
}

// seconds is a time in the form of Retry-After.
func seconds(d time.Duration) string { return strconv.Itoa(int(d/time.Second) + 1) }
