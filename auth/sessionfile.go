package auth

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"thalassa/internal/safefile"
)

// maxSessionFile bounds the session file: maxSessions sessions and some room.
const maxSessionFile = 32 << 20

// A sessionFile keeps sessions over a restart of the process: own ones, or those of other nodes. It
// has the hashes of their ids and tokens, so that nobody who reads it can use them.
type sessionFile struct {
	path   string
	logger *slog.Logger

	mu       sync.Mutex  // held while the file is written
	kept     error       // of the last attempt: a file of before remains
	failed   atomic.Bool // the last attempt to write failed
	retrying atomic.Bool // Problem has the file written again
}

// A storedSession is one session in the file.
type storedSession struct {
	ID      string    `json:"id"`             // SHA-256 of the id, hexadecimal
	Token   string    `json:"token"`          // Hash of the proof, hexadecimal
	Kind    ProofKind `json:"kind,omitempty"` // of the proof; empty: a token
	User    string    `json:"user,omitempty"` // of the proof, as the next three
	Subject string    `json:"subject,omitempty"`
	Groups  []string  `json:"groups,omitempty"`
	Until   time.Time `json:"until,omitzero"`
	From    string    `json:"from,omitempty"`
	Begun   time.Time `json:"begun,omitzero"`
	Used    time.Time `json:"used,omitzero"` // for other nodes; a restart begins anew
	Expires time.Time `json:"expires"`
}

// Keep restores the sessions that are in a file, and keeps the file up to date from now on.
// Sessions end that have expired or whose token is no longer valid. If the file cannot be read or
// written, that is logged, and sessions end with the process. Call it before any other method.
func (s *Sessions) Keep(path string, logger *slog.Logger) {
	s.file = &sessionFile{path: path, logger: logger}
	stored, err := s.file.read()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		logger.Warn("sessions of the last run not readable, browsers have to log in again", "error", err)
	}
	s.restore(stored)
	// Those of a file that cannot be read now must not come back later, when nobody has ended them.
	if len(stored) > len(s.byID) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		_ = s.store() // which has logged it
	}
}

// restore adds stored sessions that are still valid. From now on they last as long as they
// did then, whatever the clock does.
func (s *Sessions) restore(stored []storedSession) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range stored {
		key, session, ok := e.parse()
		who, known := s.authority.Identify(session.proof)
		remaining := e.Expires.Sub(now)
		if !ok || !known || remaining <= 0 || remaining > SessionLifetime || len(s.byID) == s.most {
			continue
		}
		s.authority.remember(session.proof, who.Name, e.Begun)
		session.Identity, session.Used, session.Expires = who, now, now.Add(remaining)
		s.byID[key] = session
	}
}

// store writes all sessions to the file, if there is one, and tells the other nodes of the
// cluster. The error says that a file remains that has sessions of before.
func (s *Sessions) store() error {
	s.shared.poke()
	if s.file == nil {
		return nil
	}
	s.file.mu.Lock()
	defer s.file.mu.Unlock()
	return s.file.write(s.stored())
}

// Problem is a sentence, which anybody may read, that says that sessions are not stored; empty:
// they are, or nobody wants it. It waits for nothing, and has them stored again.
func (s *Sessions) Problem() string {
	if s.file == nil || !s.file.failed.Load() {
		return ""
	}
	if !s.file.retrying.Swap(true) {
		go func() {
			defer s.file.retrying.Store(false)
			_ = s.store() // it is tried again
		}()
	}
	return "sessions cannot be stored: browsers have to log in again after a restart of the agent"
}

// stored is all sessions as the file has them.
func (s *Sessions) stored() []storedSession {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]storedSession, 0, len(s.byID))
	for key, session := range s.byID {
		out = append(out, storedOf(key, session))
	}
	return out
}

func parseHash(digits string) (hash [sha256.Size]byte, err error) {
	raw, err := hex.DecodeString(digits)
	if err == nil && copy(hash[:], raw) != len(raw) || len(raw) != len(hash) {
		err = errors.New("not a SHA-256")
	}
	return hash, err
}

// read reads the file.
func (f *sessionFile) read() ([]storedSession, error) {
	data, err := readPrivate(f.path)
	if err != nil {
		return nil, err
	}
	var stored []storedSession
	if err := json.NewDecoder(bytes.NewReader(data)).Decode(&stored); err != nil {
		return nil, fmt.Errorf("%s: %w", f.path, err)
	}
	return stored, nil
}

// readPrivate reads a file of the agent's own. One that others may write is not trusted.
func readPrivate(path string) ([]byte, error) {
	file, err := safefile.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: mode %v, expected a regular file of mode 0600", path, mode)
	}
	if isForeign(info) {
		return nil, fmt.Errorf("%s: belongs to user %d, expected root or user %d", path, ownerOf(info), os.Geteuid())
	}
	return io.ReadAll(io.LimitReader(file, maxSessionFile))
}

// write replaces the file; mu is held. If it cannot, it removes the file: sessions that have ended
// since would be valid again after a restart. The error says that neither is possible. The first
// failure after a success is logged.
func (f *sessionFile) write(stored any) error {
	f.kept = nil
	err := f.replace(stored)
	wasFailed := f.failed.Swap(err != nil)
	if err == nil {
		return nil
	}
	if err := f.remove(); err != nil {
		f.kept = fmt.Errorf("the file of sessions can be neither written nor removed: %w", err)
	}
	switch {
	case wasFailed:
	case f.kept != nil:
		f.logger.Warn("sessions not stored, sessions that end now are valid again after a restart", "file", f.path, "error", err, "removing", f.kept)
	default:
		f.logger.Warn("sessions not stored, browsers have to log in again after a restart", "file", f.path, "error", err)
	}
	return f.kept
}

// remove removes the file. One that is away with its folder may come back.
func (f *sessionFile) remove() error {
	err := os.Remove(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat(filepath.Dir(f.path))
	}
	return err
}

// replace replaces the file in one step.
func (f *sessionFile) replace(stored any) error {
	data, err := json.Marshal(stored)
	if err != nil {
		return err
	}
	return safefile.Replace(f.path, data, nil)
}
