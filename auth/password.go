package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds of a password: bytes.
const (
	minPassword = 10
	maxPassword = 1024
)

// Parameters of new hashes, about 100 ms on one core; and the bounds of those in a file,
// so that no line of it takes the machine's memory. Memory is in KiB.
const (
	hashMemory, hashTime, hashThreads = 32 << 10, 3, 1
	maxHashMemory, maxHashTime        = 64 << 10, 10
	saltLength, keyLength             = 16, 32
)

// ErrBusy says that too many passwords wait for their check.
var ErrBusy = errors.New("too many logins at once")

// A passwordHash is argon2id's result and parameters, in the form
// $argon2id$v=19$m=32768,t=3,p=1$SALT$KEY (the PHC string format; base64 without
// padding).
type passwordHash struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

// HashPassword hashes a password with a salt of its own, for an access file. The error
// says what is wrong with the password, without it.
func HashPassword(password string) (string, error) {
	if len(password) < minPassword || len(password) > maxPassword {
		return "", fmt.Errorf("the password has %d bytes, expected %d to %d", len(password), minPassword, maxPassword)
	}
	if strings.Contains(password, "\x00") {
		return "", errors.New("the password has a NUL character, expected a text without one")
	}
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	h := passwordHash{memory: hashMemory, time: hashTime, threads: hashThreads, salt: salt}
	h.key = h.derive(password, keyLength)
	encode := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads, encode(h.salt), encode(h.key)), nil
}

// parsePasswordHash reads what HashPassword and other programs write. The error does not
// quote it.
func parsePasswordHash(text string) (passwordHash, error) {
	malformed := errors.New("is not of the form $argon2id$v=19$m=…,t=…,p=…$SALT$KEY; thalassa user passwd writes it")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return passwordHash{}, malformed
	}
	var h passwordHash
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); err != nil || n != 3 ||
		parts[3] != fmt.Sprintf("m=%d,t=%d,p=%d", h.memory, h.time, h.threads) {
		return passwordHash{}, malformed
	}
	if !h.isInRange() {
		return passwordHash{}, fmt.Errorf("has parameters out of range, expected at most m=%d,t=%d,p=4", maxHashMemory, maxHashTime)
	}
	var errSalt, errKey error
	h.salt, errSalt = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.key, errKey = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if errSalt != nil || errKey != nil || len(h.salt) < 8 || len(h.salt) > 64 || len(h.key) < 16 || len(h.key) > 64 {
		return passwordHash{}, malformed
	}
	return h, nil
}

// isInRange reports whether the parameters are valid, and a check costs a bounded amount.
func (h passwordHash) isInRange() bool {
	return h.threads >= 1 && h.threads <= 4 && h.time >= 1 && h.time <= maxHashTime &&
		h.memory >= 8*uint32(h.threads) && h.memory <= maxHashMemory
}

func (h passwordHash) derive(password string, length uint32) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, length)
}

// A hasher checks passwords one at a time: each check takes up to 64 MiB.
type hasher struct {
	slot    chan struct{} // filled by whoever hashes
	waiting chan struct{} // filled by those who wait and the one who hashes
}

// maxWaiting is how many passwords may wait for their check.
const maxWaiting = 16

func newHasher() *hasher {
	return &hasher{slot: make(chan struct{}, 1), waiting: make(chan struct{}, 1+maxWaiting)}
}

// matches checks a password against a hash. It is ErrBusy if too many wait already, or
// the error of ctx.
func (q *hasher) matches(ctx context.Context, h passwordHash, password string) (bool, error) {
	select {
	case q.waiting <- struct{}{}:
		defer func() { <-q.waiting }()
	default:
		return false, ErrBusy
	}
	select {
	case q.slot <- struct{}{}:
		defer func() { <-q.slot }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	got := h.derive(password, uint32(len(h.key))) //nolint:gosec // at most 64
	return subtle.ConstantTimeCompare(got, h.key) == 1, nil
}
