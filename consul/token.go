package consul

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"thalassa/internal/safefile"
)

// maxToken bounds a token file, in bytes.
const maxToken = 64 << 10

// token is the ACL token in use. It has no String method and is never logged.
type token struct {
	path string // empty: the value is fixed

	mu      sync.Mutex
	value   string
	read    os.FileInfo // of the file that value was read from; nil: not yet
	reading bool        // a goroutine is reading the file
}

// A tokenError is the error of a token file from which no token has been read yet.
type tokenError struct{ err error }

// Error returns the message.
func (e *tokenError) Error() string { return "reading the token: " + e.err.Error() }

// Unwrap returns the cause.
func (e *tokenError) Unwrap() error { return e.err }

// current returns the token. It reads a file again if the file has changed. While the
// file is unreadable, or empty because it is being written, the previous token stays
// in use. Other goroutines do not wait for the one that reads.
func (t *token) current() (string, error) {
	if t.path == "" {
		return t.value, nil // constant
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

// look reads the file if it has changed; otherwise info is nil.
func (t *token) look(before os.FileInfo) (value string, info os.FileInfo, err error) {
	info, err = os.Stat(t.path)
	if err != nil {
		return "", nil, err
	}
	if before != nil && os.SameFile(info, before) && info.ModTime().Equal(before.ModTime()) && info.Size() == before.Size() {
		return "", nil, nil
	}
	text, err := safefile.Read(t.path, maxToken)
	if err != nil {
		return "", nil, err
	}
	value = strings.TrimSpace(string(text))
	if value == "" || strings.ContainsAny(value, "\r\n") {
		return "", nil, fmt.Errorf("%s contains no token", t.path)
	}
	return value, info, nil
}
