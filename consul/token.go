package consul

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// token is the ACL token in use. It has no String method and is never logged.
type token struct {
	path string // empty: the value is fixed

	mu      sync.Mutex
	value   string
	read    os.FileInfo // of the file that value was read from; nil: not yet
	reading bool        // somebody is looking at the file
}

// A tokenError is a file that no token has been read from yet.
type tokenError struct{ err error }

// Error says what was done and why it failed.
func (e *tokenError) Error() string { return "reading the token: " + e.err.Error() }

// Unwrap is why it failed.
func (e *tokenError) Unwrap() error { return e.err }

// current returns the token. A file is read again when it has changed; while
// it cannot be read, or is empty as in the middle of being written, the token
// read last stays in use. Nor does anybody else wait for one who is reading.
func (t *token) current() (string, error) {
	if t.path == "" {
		return t.value, nil // which nobody changes
	}
	t.mu.Lock()
	value, read, reading := t.value, t.read, t.reading
	if reading && read != nil {
		t.mu.Unlock()
		return value, nil
	}
	t.reading = true
	t.mu.Unlock()

	text, info, err := t.look(read)

	t.mu.Lock()
	defer t.mu.Unlock()
	t.reading = false
	switch {
	case err == nil && info != nil:
		t.value, t.read = text, info
	case err != nil && t.read == nil:
		return "", &tokenError{err}
	}
	return t.value, nil
}

// look reads the file unless it is the one that was read before; then info is nil.
func (t *token) look(before os.FileInfo) (value string, info os.FileInfo, err error) {
	info, err = os.Stat(t.path)
	if err != nil {
		return "", nil, err
	}
	if before != nil && os.SameFile(info, before) && info.ModTime().Equal(before.ModTime()) && info.Size() == before.Size() {
		return "", nil, nil
	}
	text, err := os.ReadFile(t.path)
	if err != nil {
		return "", nil, err
	}
	value = strings.TrimSpace(string(text))
	if value == "" || strings.ContainsAny(value, "\r\n") {
		return "", nil, fmt.Errorf("%s holds no token", t.path)
	}
	return value, info, nil
}
