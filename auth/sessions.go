package auth

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	// SessionLifetime is how long a session lasts.
	SessionLifetime = 12 * time.Hour
	// IdleLifetime is how long a session lasts without a request and without an open page.
	IdleLifetime = 4 * time.Hour
	// maxSessions bounds how many there are; a further one ends the oldest.
	maxSessions = 10_000
	// maxSessionsOfCaller bounds how many of one name there are; a further one ends the one
	// that was not used for the longest time.
	maxSessionsOfCaller = 100
)

// A Session is the session of a caller who has logged in.
type Session struct {
	Identity
	ID      string    // for lists; nobody can log in with it
	Kind    ProofKind // of what began it
	From    string    // address that began it; empty: not known
	Node    string    // of the cluster, where it began; empty: there is none
	Begun   time.Time
	Used    time.Time // last time
	Expires time.Time
	proof   Proof
	key     [sha256.Size]byte // hash of the id
}

// Owner is the Identity.Owner of a session.
func (s Session) Owner() string { return s.Identity.Owner(s.Kind) }

// SessionID is the public ID of a session, derived from the id, which is its owner's secret.
func SessionID(id string) string {
	key := sha256.Sum256([]byte(id))
	return publicID(key)
}

func publicID(key [sha256.Size]byte) string {
	const length = 8 // bytes
	sum := sha256.Sum256(key[:])
	return hex.EncodeToString(sum[:length])
}

// Sessions are the sessions of browsers. They are kept in memory and end with the process,
// unless Keep names a file. Share has them hold on all nodes of a cluster. A session ends
// early when what began it is not valid any more, and its role follows. Make it with
// NewSessions; all methods may be called concurrently.
type Sessions struct {
	authority *Authority
	now       func() time.Time
	most      int             // sessions; set before use
	file      *sessionFile    // nil: none; set before use
	shared    *SharedSessions // nil: they hold on this node alone; set before use

	mu   sync.Mutex
	byID map[[sha256.Size]byte]Session // by the hash of their ids
	// unanswered is since when nobody has answered about the users of sessions, own ones and those
	// of other nodes.
	unanswered map[[sha256.Size]byte]time.Time
}

// NewSessions makes an empty set of sessions of those whom an authority knows.
func NewSessions(authority *Authority, now func() time.Time) *Sessions {
	return &Sessions{authority: authority, now: now, most: maxSessions, byID: map[[sha256.Size]byte]Session{}}
}

// Begin starts a session for the owner of a proof. The id of 256 random bits is not stored.
func (s *Sessions) Begin(proof Proof, from string) (id string, session Session, ok bool) {
	who, ok := s.authority.Identify(proof)
	if !ok || proof.Kind == ByCertificate { // which comes with each connection anyway
		return "", Session{}, false
	}
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	id = base64.RawURLEncoding.EncodeToString(raw[:])
	now, key := s.now(), sha256.Sum256([]byte(id))
	expires := now.Add(SessionLifetime)
	if !proof.Until.IsZero() {
		if proof.Until.After(expires) { // maybe in a year that no JSON has
			proof.Until = expires
		}
		expires = proof.Until
	}
	session = Session{Identity: who, ID: publicID(key), Kind: proof.Kind, From: from, Begun: now, Used: now, Expires: expires, proof: proof, key: key}
	s.authority.remember(proof, who.Name, now)
	s.add(key, session)
	_ = s.store() // which has logged it
	return id, session, true
}

func (s *Sessions) add(key [sha256.Size]byte, session Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(session.Owner())
	s.byID[key] = session
}

// Find looks up a session; false: there is none, or it has ended.
func (s *Sessions) Find(id string) (Session, bool) { return s.find(id, s.authority.Identify) }

// FindNow is Find after a look at the files, however recent the last one is.
func (s *Sessions) FindNow(id string) (Session, bool) { return s.find(id, s.authority.IdentifyNow) }

func (s *Sessions) find(id string, identify func(Proof) (Identity, bool)) (Session, bool) {
	key := sha256.Sum256([]byte(id))
	s.mu.Lock()
	session, ok := s.byID[key]
	s.mu.Unlock()
	if !ok {
		return s.shared.find(key, identify)
	}
	if now := s.now(); session.isAlive(now) {
		if session.Identity, ok = identify(session.proof); ok {
			s.use(key, now)
			return session, true
		}
	}
	_ = s.End(id) // it would end after a restart, too
	return Session{}, false
}

// isAlive reports whether a session has ended neither by its age nor by disuse.
func (s Session) isAlive(now time.Time) bool {
	return now.Before(s.Expires) && now.Sub(s.Used) < IdleLifetime
}

// use notes that a session was used.
func (s *Sessions) use(key [sha256.Size]byte, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if session, ok := s.byID[key]; ok {
		session.Used = now
		s.byID[key] = session
	}
}

// List lists the sessions of an Identity.Owner, newest first; of everybody if owner is empty.
func (s *Sessions) List(owner string) []Session {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.byID))
	s.mu.Unlock()
	all = append(s.shared.named(all), s.shared.list()...)
	now := s.now()
	all = slices.DeleteFunc(all, func(one Session) bool {
		who, valid := s.authority.Identify(one.proof)
		return !valid || !one.isAlive(now) || owner != "" && who.Owner(one.Kind) != owner
	})
	slices.SortFunc(all, func(a, b Session) int { return cmp.Or(b.Begun.Compare(a.Begun), cmp.Compare(a.ID, b.ID)) })
	return all
}

// EndListed ends the session with an ID of List if it belongs to an Identity.Owner, or to anybody if
// owner is empty; false: there is none. Errors are those of End.
func (s *Sessions) EndListed(id, owner string) (bool, error) {
	switch {
	case s.removeListed(id, owner):
		return true, s.store()
	case s.shared.endListed(id, owner):
		return true, s.shared.store()
	}
	return false, nil
}

func (s *Sessions) removeListed(id, owner string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, session := range s.byID {
		if session.ID == id && (owner == "" || session.Owner() == owner) {
			delete(s.byID, key)
			return true
		}
	}
	return false
}

// End ends a session, if there is one of that id. The error says that the session would be valid
// again after a restart of the program.
func (s *Sessions) End(id string) error {
	key := sha256.Sum256([]byte(id))
	if s.remove(key) {
		return s.store()
	}
	if _, ok := s.shared.end(key); ok {
		return s.shared.store()
	}
	return nil
}

func (s *Sessions) remove(key [sha256.Size]byte) (existed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, existed = s.byID[key]
	delete(s.byID, key)
	return existed
}

// makeRoom makes room for one more session of an Identity.Owner; mu is held.
func (s *Sessions) makeRoom(owner string) {
	var own [][sha256.Size]byte
	for key, session := range s.byID {
		if session.Owner() == owner {
			own = append(own, key)
		}
	}
	if len(own) >= maxSessionsOfCaller {
		delete(s.byID, slices.MinFunc(own, func(a, b [sha256.Size]byte) int {
			return cmp.Or(s.byID[a].Used.Compare(s.byID[b].Used), s.byID[a].Begun.Compare(s.byID[b].Begun))
		}))
	}
	if len(s.byID) < s.most {
		return
	}
	now := s.now()
	maps.DeleteFunc(s.byID, func(_ [sha256.Size]byte, v Session) bool { return !now.Before(v.Expires) })
	if len(s.byID) < s.most {
		return
	}
	oldest := slices.MinFunc(slices.Collect(maps.Keys(s.byID)), func(a, b [sha256.Size]byte) int {
		return cmp.Compare(s.byID[a].Expires.UnixNano(), s.byID[b].Expires.UnixNano())
	})
	delete(s.byID, oldest)
}
