package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// checkEvery is the minimum time between two checks whether the file has changed.
const checkEvery = time.Second

// Tokens are the bearer tokens of a file. A file holds one token a line,
//
//	ROLE NAME TOKEN
//
// where ROLE is read, deploy, operate or admin, NAME appears in the history of changes,
// and TOKEN has at least 16 characters or is sha256: and the hexadecimal
// SHA-256 of a token. Empty lines and lines that begin with # are ignored. Two lines
// may share a name, so that a token can be replaced without interruption.
//
// A changed file is read again on the next use, at most once a second. If the file
// has become unusable (missing, empty, readable by others, a bad line), the former
// tokens stay valid and the error is logged once. All methods may be called
// concurrently; those of a nil *Tokens know no token.
type Tokens struct {
	path   string
	logger *slog.Logger

	mu      sync.Mutex
	entries []entry   // valid now; replaced, never written to
	checked time.Time // time of the last check of the file
	reading bool      // a caller is checking the file
	shown   string    // the problem as of that check

	// Of the last reading of the file; used by the caller that set reading.
	read    fileVersion
	problem string // logged already; empty: none
}

// Open reads a token file. The error names file and line, and never a token. It is an
// error if other users may read or write the file, unless it is a container's secret: of
// root and on a read-only mount, which is logged. A nil logger discards.
func Open(path string, logger *slog.Logger) (*Tokens, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	entries, at, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	if at.shared {
		logger.Warn("token file is readable by every user of this container", "file", path)
	}
	at.shared = false // statFile does not know it
	return &Tokens{path: path, logger: logger, entries: entries, checked: time.Now(), read: at}, nil
}

// Problem is a sentence that says why the file is unusable, so that tokens that it no longer
// holds stay valid; empty if it is usable. It looks at the file like identify.
func (t *Tokens) Problem() string {
	if t == nil {
		return ""
	}
	t.current(checkEvery)
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.shown
}

// A TokenHash is the SHA-256 of a token that a caller has shown.
type TokenHash [sha256.Size]byte

// identify finds the owner of a token by its hash, after a look at the file unless the
// last one is more recent than the given time. false: the token is not valid. Its duration
// does not depend on how similar a wrong token is.
func (t *Tokens) identify(hash TokenHash, recent time.Duration) (Identity, bool) {
	if t == nil {
		return Identity{}, false
	}
	var found Identity
	for _, e := range t.current(recent) {
		if subtle.ConstantTimeCompare(hash[:], e.hash[:]) == 1 {
			found = e.who // no early return, so that the time does not depend on the line
		}
	}
	return found, found.Role != 0
}

// current is the valid entries, after a check of the file unless the last one is more
// recent than the given time. Meanwhile other callers get the former entries.
func (t *Tokens) current(recent time.Duration) []entry {
	if t == nil {
		return nil
	}
	now := time.Now()
	t.mu.Lock()
	entries := t.entries
	due := !t.reading && now.Sub(t.checked) >= recent
	if due {
		t.reading = true
	}
	t.mu.Unlock()
	if !due {
		return entries
	}
	entries = t.refreshed(entries)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries, t.checked, t.reading, t.shown = entries, now, false, t.problem
	return entries
}

// refreshed reads the file if it has changed, and gives the entries that are
// valid from now on.
func (t *Tokens) refreshed(former []entry) []entry {
	if statFile(t.path) == t.read {
		return former
	}
	entries, at, err := readFile(t.path)
	t.read = at
	if err != nil {
		if err.Error() != t.problem {
			t.logger.Error("token file unusable, former tokens stay valid: nothing is revoked", "path", t.path, "error", err)
		}
		t.problem = err.Error()
		return former
	}
	if t.problem != "" || !slices.Equal(former, entries) {
		t.logger.Info("token file reloaded", "path", t.path, "tokens", len(entries))
	}
	t.problem = ""
	return entries
}
