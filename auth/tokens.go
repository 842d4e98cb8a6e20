package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"slices"
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
type Tokens struct{ file reloaded[[]entry] }

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
	return &Tokens{file: reloaded[[]entry]{
		path: path, load: readFile, value: entries, checked: time.Now(), read: at,
		changed: func(former, now []entry, mended bool) {
			if mended || !slices.Equal(former, now) {
				logger.Info("token file reloaded", "path", path, "tokens", len(now))
			}
		},
		unusable: func(err error) {
			logger.Error("token file unusable, former tokens stay valid: nothing is revoked", "path", path, "error", err)
		},
	}}, nil
}

// Problem is a sentence that says why the file is unusable, so that tokens that it no longer
// holds stay valid; empty if it is usable. It looks at the file like identify.
func (t *Tokens) Problem() string {
	if t == nil {
		return ""
	}
	return t.file.trouble()
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
	return t.file.current(recent)
}
