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

// checkEvery is how often, at most, a use of the tokens looks at the file.
const checkEvery = time.Second

// Tokens are the bearer tokens of a file. A file holds one token a line,
//
//	ROLE NAME TOKEN
//
// where ROLE is read, deploy or admin, NAME goes into the history of changes
// and TOKEN has at least 16 characters or is sha256: and the hexadecimal
// SHA-256 of one. Lines that are empty or begin with # do not count. Two lines
// may share a name, so that a token can be changed without a gap.
//
// A changed file is read again upon the next use, at most once a second. A file
// that has become unusable (gone, empty, readable by others, a bad line) leaves
// the former tokens in force and is logged once. All methods may be called
// concurrently; those of a nil *Tokens know no token.
type Tokens struct {
	path   string
	logger *slog.Logger

	mu      sync.Mutex
	entries []entry   // in force; replaced, never written to
	checked time.Time // when the file was last looked at
	reading bool      // somebody is looking at the file now

	// Of the file as last read; touched by whoever set reading.
	read    fileVersion
	trouble string // logged already; empty: none
}

// Open reads a token file. The error names file and line, and never a token; a
// file that every user of the machine may read or write is one. A nil logger
// discards.
func Open(path string, logger *slog.Logger) (*Tokens, error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	entries, at, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading tokens: %w", err)
	}
	return &Tokens{path: path, logger: logger, entries: entries, checked: time.Now(), read: at}, nil
}

// Authenticate finds out whose token bearer is. The time it takes does not tell
// how near a wrong token came.
func (t *Tokens) Authenticate(bearer string) (Identity, bool) {
	who, _, ok := t.Verify(bearer)
	return who, ok
}

// A TokenHash stands for a token that somebody has shown, without telling it.
type TokenHash [sha256.Size]byte

// Verify is Authenticate with a proof to ask about later.
func (t *Tokens) Verify(bearer string) (Identity, TokenHash, bool) {
	if t == nil || len(bearer) < minToken {
		return Identity{}, TokenHash{}, false
	}
	proof := TokenHash(sha256.Sum256([]byte(bearer)))
	who, ok := t.Identify(proof)
	return who, proof, ok
}

// Identify finds out whose token was proven; false: it is not in force any more.
func (t *Tokens) Identify(proof TokenHash) (Identity, bool) {
	if t == nil {
		return Identity{}, false
	}
	var found Identity
	for _, e := range t.current() {
		if subtle.ConstantTimeCompare(proof[:], e.hash[:]) == 1 {
			found = e.who // no early return: the place in the file is not told either
		}
	}
	return found, found.Role != 0
}

// current is what is in force now, after a look at the file when one is due.
// Who comes while another caller looks gets what was in force before.
func (t *Tokens) current() []entry {
	now := time.Now()
	t.mu.Lock()
	entries := t.entries
	due := !t.reading && now.Sub(t.checked) >= checkEvery
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
	t.entries, t.checked, t.reading = entries, now, false
	return entries
}

// refreshed reads the file if it has changed, and gives the entries that are to
// be in force from now on.
func (t *Tokens) refreshed(former []entry) []entry {
	if statFile(t.path) == t.read {
		return former
	}
	entries, at, err := readFile(t.path)
	t.read = at
	if err != nil {
		if err.Error() != t.trouble {
			t.logger.Error("token file is unusable, the former tokens stay in force", "path", t.path, "error", err)
		}
		t.trouble = err.Error()
		return former
	}
	if t.trouble != "" || !slices.Equal(former, entries) {
		t.logger.Info("token file read again", "path", t.path, "tokens", len(entries))
	}
	t.trouble = ""
	return entries
}
