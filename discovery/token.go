package discovery

import (
	"fmt"
	"os"
	"strings"
	"sync"
)

// token is the ACL token in use. It has no String method and is never logged.
type token struct {
	path string // empty: the value is fixed

	mu    sync.Mutex
	value string
	read  os.FileInfo // of the file that value was read from; nil: not yet
}

// A tokenError is a file that no token has been read from yet.
type tokenError struct{ err error }

// Error says what was done and why it failed.
func (e *tokenError) Error() string { return "reading the token: " + e.err.Error() }

// Unwrap is why it failed.
func (e *tokenError) Unwrap() error { return e.err }

// current returns the token. A file is read again when it has changed; while
// it cannot be read, or is empty as in the middle of being written, the token
// read last stays in use.
func (t *token) current() (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.path == "" {
		return t.value, nil
	}
	info, err := os.Stat(t.path)
	if err == nil && t.read != nil && os.SameFile(info, t.read) && info.ModTime().Equal(t.read.ModTime()) && info.Size() == t.read.Size() {
		return t.value, nil
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(t.path)
	}
	value := strings.TrimSpace(string(text))
	if err == nil && (value == "" || strings.ContainsAny(value, "\r\n")) {
		err = fmt.Errorf("%s holds no token", t.path)
	}
	switch {
	case err == nil:
		t.value, t.read = value, info
	case t.read == nil:
		return "", &tokenError{err}
	}
	return t.value, nil
}
