package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"
)

// knownPasswords remembers passwords that were right, so that a client that shows one
// with every request does not cost 100 ms each time. It keeps a keyed hash of each, with
// a key that ends with the process. The zero value is ready.
type knownPasswords struct {
	mu  sync.Mutex
	key []byte
	set map[[sha256.Size]byte]struct{}
}

// maxKnown bounds them.
const maxKnown = 1024

// has reports whether a password was right for the user's present hash.
func (k *knownPasswords) has(u accessUser, password string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		return false
	}
	_, ok := k.set[k.digest(u, password)]
	return ok
}

func (k *knownPasswords) add(u accessUser, password string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key == nil {
		k.key = make([]byte, sha256.Size)
		_, _ = rand.Read(k.key) // never fails
	}
	if k.set == nil || len(k.set) >= maxKnown {
		k.set = map[[sha256.Size]byte]struct{}{}
	}
	k.set[k.digest(u, password)] = struct{}{}
}

// digest is a password's keyed hash; mu is held. The stored hash is part of it, so that
// another password ends it.
func (k *knownPasswords) digest(u accessUser, password string) [sha256.Size]byte {
	m := hmac.New(sha256.New, k.key)
	fmt.Fprintf(m, "%d %s %s %s", len(u.Name), u.Name, u.Password, password)
	return [sha256.Size]byte(m.Sum(nil))
}
