package auth

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of the documents that nodes exchange.
const (
	// MaxDocument is the largest document, in bytes: the largest value that Consul accepts.
	MaxDocument = 512 << 10
	// maxTold is how many sessions of a node are valid on the others.
	maxTold = 800
	// maxToldBytes leaves room for the ends and uses of other nodes' sessions.
	maxToldBytes = 300 << 10
	maxEnds      = 600
	maxUses      = 1000
	// maxNodes bounds the nodes of a cluster.
	maxNodes = 64
	// UseGranularity is how often a node tells the others which sessions were used.
	UseGranularity = 5 * time.Minute
	// maxClockDifference is how far the clocks of two nodes may differ.
	maxClockDifference = 5 * time.Minute
)

// A clusterDocument has what one node tells the others. Only this node writes it. Its sequence
// grows, so that an older document is recognized.
type clusterDocument struct {
	Sequence uint64    `json:"sequence"`
	Written  time.Time `json:"written"`
	// Sessions are those that began on the node, as long as they are valid. The others drop a
	// session that is missing.
	Sessions []storedSession `json:"sessions"`
	// Ends are sessions of other nodes that ended here; each stays until its node has
	// forgotten the session.
	Ends []sessionEnd `json:"ends,omitempty"`
	// Uses are the times of the last use here of other nodes' sessions, by Session.ID.
	Uses map[string]time.Time `json:"uses,omitempty"`
	// Seen are the sequences of the other nodes that this node knows. A node that has just
	// started learns from it that a document is an old one.
	Seen map[string]uint64 `json:"seen,omitempty"`
}

// A sessionEnd says that a session has ended on a node that did not begin it.
type sessionEnd struct {
	ID    string    `json:"id"` // SHA-256 of the id, hexadecimal
	Node  string    `json:"node"`
	Until time.Time `json:"until"` // the session would have ended then
	Gone  bool      `json:"gone,omitempty"`
}

// until is when nothing of the document holds any more.
func (d clusterDocument) until() time.Time {
	out := d.Written
	for _, e := range d.Sessions {
		if e.Expires.After(out) {
			out = e.Expires
		}
	}
	for _, e := range d.Ends {
		if e.Until.After(out) {
			out = e.Until
		}
	}
	return out
}

// has reports whether a session is in the document.
func (d clusterDocument) has(id string) bool {
	return slices.ContainsFunc(d.Sessions, func(e storedSession) bool { return e.ID == id })
}

// encode makes the document fit its bounds, and says how many sessions and ends of sessions
// were left out: the oldest ones of those callers who have most.
func (d *clusterDocument) encode() (data []byte, left int, err error) {
	all := len(d.Sessions) + len(d.Ends)
	takeTurns(d.Sessions)
	d.Sessions = d.Sessions[:min(len(d.Sessions), maxTold)]
	size := 0
	for i, e := range d.Sessions {
		one, err := json.Marshal(e)
		if err != nil {
			return nil, 0, err
		}
		if size += len(one) + 1; size > maxToldBytes {
			d.Sessions = d.Sessions[:i]
			break
		}
	}
	slices.SortFunc(d.Ends, func(a, b sessionEnd) int { return cmp.Or(b.Until.Compare(a.Until), cmp.Compare(a.ID, b.ID)) })
	d.Ends = d.Ends[:min(len(d.Ends), maxEnds)]
	data, err = json.Marshal(d)
	return data, all - len(d.Sessions) - len(d.Ends), err
}

// takeTurns puts sessions into an order in which callers take turns: the newest session of
// each, then the second of each, and so on. So nobody pushes out the sessions of others by
// logging in often.
func takeTurns(all []storedSession) {
	slices.SortFunc(all, func(a, b storedSession) int { return cmp.Or(b.Begun.Compare(a.Begun), cmp.Compare(a.ID, b.ID)) })
	turn, of := make(map[string]int, len(all)), map[string]int{}
	for _, e := range all {
		caller := string(e.Kind) + " " + cmp.Or(e.User, e.Token) + " " + e.Subject
		turn[e.ID] = of[caller]
		of[caller]++
	}
	slices.SortStableFunc(all, func(a, b storedSession) int { return cmp.Compare(turn[a.ID], turn[b.ID]) })
}

func openDocument(key *ClusterKey, node string, sealed []byte) (d clusterDocument, err error) {
	if len(sealed) > MaxDocument {
		return d, fmt.Errorf("has %d bytes, expected at most %d", len(sealed), MaxDocument)
	}
	data, err := key.Open(node, sealed)
	if err != nil {
		return d, err
	}
	if err := json.Unmarshal(data, &d); err != nil {
		return d, errors.New("is of another version of Thalassa")
	}
	return d, nil
}

// IsNodeName reports whether a text may name a node of a cluster: 1 to 64 characters out of
// A-Z a-z 0-9 . _ -.
func IsNodeName(text string) bool {
	const most = 64
	for _, c := range []byte(text) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-') {
			return false
		}
	}
	return text != "" && len(text) <= most
}

// storedOf is a session as files and documents have it.
func storedOf(key [sha256.Size]byte, session Session) storedSession {
	p := session.proof
	return storedSession{
		ID: hex.EncodeToString(key[:]), Token: hex.EncodeToString(p.Hash[:]), Kind: p.Kind, User: p.User, Subject: p.Subject, Groups: p.Groups,
		Until: p.Until, From: session.From, Begun: session.Begun, Used: session.Used, Expires: session.Expires,
	}
}

// parse is the session of a file or a document, without the Identity, which depends on the
// access file.
func (e storedSession) parse() (key [sha256.Size]byte, session Session, ok bool) {
	key, errID := parseHash(e.ID)
	hash, errToken := parseHash(e.Token)
	proof := Proof{Kind: cmp.Or(e.Kind, ByToken), User: e.User, Hash: hash, Subject: e.Subject, Groups: e.Groups, Until: e.Until}
	session = Session{ID: publicID(key), Kind: proof.Kind, From: e.From, Begun: e.Begun, Used: e.Used, Expires: e.Expires, proof: proof, key: key}
	return key, session, errID == nil && errToken == nil
}
