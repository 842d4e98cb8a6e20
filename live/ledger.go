package live

import "sync"

// The bounds of a ledger, in bytes: of all clients together, and of one address or token.
const (
	maxHeld       = 32 << 20
	maxHeldOfPeer = 16 << 20
)

// A ledger counts the memory that clients take with what they send: messages that are being
// read, and the keys of subscriptions. The zero value is ready.
type ledger struct {
	mu    sync.Mutex
	total int
	of    map[string]int // by Peer.counted
}

// change replaces what a peer holds, and reports whether it may; otherwise nothing changes.
func (l *ledger) change(p Peer, from, to int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = map[string]int{}
	}
	if to > from {
		if l.total+to-from > maxHeld {
			return false
		}
		for _, key := range p.counted() {
			if l.of[key]+to-from > maxHeldOfPeer {
				return false
			}
		}
	}
	l.total += to - from
	for _, key := range p.counted() {
		if l.of[key] += to - from; l.of[key] == 0 {
			delete(l.of, key)
		}
	}
	return true
}

// keyCost is about how much memory a subscription takes for its keys: they are in a list, in
// a set, and in the name of the set.
func keyCost(keys []string) (size int) {
	for _, key := range keys {
		size += 3*len(key) + 100
	}
	return size
}
