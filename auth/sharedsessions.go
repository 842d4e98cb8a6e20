package auth

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// SharedSessions makes the sessions of a node valid on all nodes of a cluster. Each node writes one
// document, with the sessions that began there, and reads those of the others. The documents are
// encrypted and authenticated, so the store that carries them can neither read nor forge them. The
// access file of each node decides whether a session is valid there, and what it may do.
//
// A session ends everywhere when it ends on the node where it began. It also ends everywhere if its
// user logs out on another node, or if its proof was valid on another node and no longer is. Each
// node checks age and disuse by its own clock.
//
// Make it with [Sessions.Share]; all methods may be called concurrently. Those that are not
// exported do nothing for nil.
type SharedSessions struct {
	sessions *Sessions
	node     string
	key      *ClusterKey
	file     sessionFile
	logger   *slog.Logger
	changed  chan struct{} // one slot: there is something to tell
	making   sync.Mutex    // held while a document is made and stored

	mu             sync.Mutex
	foreign        foreignSessions                  // of the other nodes
	ends           map[[sha256.Size]byte]sessionEnd // that this node tells
	nodes          peerNodes                        // the others
	problems       map[string]string                // of documents that are not accepted, by node
	unnamed        int                              // more of them
	seen           map[string]uint64                // sequences, also of nodes without a document
	sequence       uint64                           // of this node's last document
	version        uint64                           // counts what there is to tell
	told           uint64                           // version that the others can know
	toldSequence   uint64                           // of the document that has it
	sealedSequence uint64                           // of sealed
	incomplete     bool                             // see Complete
	acknowledged   map[string]uint64                // what the others know that this node has read
	ownAck         [sha256.Size]byte                // digest of the sealed text that says so
	progress       chan struct{}                    // closed when told or away changes
	away           bool                             // the last attempt to tell failed
	published      [][sha256.Size]byte              // digests of what was told last, newest first
	latest         time.Time                        // when that was
	overwritten    time.Time                        // when somebody else's text was last found in its place
	left           int                              // sessions that hold on this node alone
	sealed         []byte                           // this node's last document
	asking         map[[sha256.Size]byte]time.Time  // when to ask about an account again
}

// A foreignSession began on another node.
type foreignSession struct {
	Session
	held bool // its proof was valid here
	// asked: the system of this node knows the account, or there is none to ask about.
	asked bool
}

// foreignSessions are sessions of other nodes, by the hashes of their tokens.
type foreignSessions map[[sha256.Size]byte]foreignSession

// peerNodes are the other nodes, by name.
type peerNodes map[string]*peerNode

// A peerNode is another node, whose document was accepted.
type peerNode struct {
	document clusterDocument
	sealed   []byte
	digest   [sha256.Size]byte // of sealed
	skew     time.Duration     // of the node's clock, as far as it is known
	hasRead  uint64            // sequence of this node's document that the node has read
	isSilent bool              // it has not read one in time
}

// ShareConfig is what Share needs. All fields are required but Logger.
type ShareConfig struct {
	Node   string // the name of this node, as IsNodeName has it
	Key    *ClusterKey
	Path   string // file that keeps the documents over a restart
	Logger *slog.Logger
}

// Share makes the sessions valid on all nodes of a cluster. Call it after Keep, and before any
// other method.
func (s *Sessions) Share(cfg ShareConfig) *SharedSessions {
	sh := &SharedSessions{
		sessions: s, node: cfg.Node, key: cfg.Key, logger: cfg.Logger,
		changed: make(chan struct{}, 1), progress: make(chan struct{}), version: 1, incomplete: true,
		foreign: foreignSessions{}, ends: map[[sha256.Size]byte]sessionEnd{}, nodes: peerNodes{},
		seen: map[string]uint64{}, asking: map[[sha256.Size]byte]time.Time{},
	}
	if sh.logger == nil {
		sh.logger = slog.New(slog.DiscardHandler)
	}
	sh.file.path, sh.file.logger = cfg.Path, sh.logger
	s.shared = sh
	sh.recall()
	sh.changed <- struct{}{}
	return sh
}

// recall takes over what the file has of the last run.
func (sh *SharedSessions) recall() {
	data, err := readPrivate(sh.file.path)
	documents := map[string][]byte{}
	if err == nil {
		err = json.Unmarshal(data, &documents)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		sh.logger.Warn("sessions of other nodes not readable, they come back from consul", "error", err)
	}
	sh.Merge(documents)
	sh.Sweep()
}

// keep writes the file, from which recall reads, as Sessions.store does.
func (sh *SharedSessions) keep() {
	sh.file.mu.Lock()
	defer sh.file.mu.Unlock()
	sh.mu.Lock()
	documents := map[string][]byte{}
	for name, n := range sh.nodes {
		documents[name] = n.sealed
	}
	if sh.sealed != nil {
		documents[sh.node] = sh.sealed
	}
	sh.mu.Unlock()
	_ = sh.file.write(documents) // which has logged it
}

// store stores what has ended here, also while nobody can be told. The error is that of
// Sessions.End.
func (sh *SharedSessions) store() error {
	if _, _, err := sh.Document(); err != nil {
		return err
	}
	sh.file.mu.Lock()
	defer sh.file.mu.Unlock()
	return sh.file.kept
}

// Changed receives a value when there is a new Document for the other nodes.
func (sh *SharedSessions) Changed() <-chan struct{} { return sh.changed }

// poke says that there is something to tell.
func (sh *SharedSessions) poke() {
	if sh == nil {
		return
	}
	sh.mu.Lock()
	sh.version++
	sh.mu.Unlock()
	select {
	case sh.changed <- struct{}{}:
	default:
	}
}

// Document is the current document for the other nodes, encrypted, and its version for Published.
func (sh *SharedSessions) Document() (sealed []byte, version uint64, err error) {
	sh.making.Lock()
	defer sh.making.Unlock()
	sh.mu.Lock()
	version = sh.version
	sh.mu.Unlock()
	now := sh.sessions.now()
	d := clusterDocument{Written: now, Sessions: sh.sessions.stored(), Uses: map[string]time.Time{}}
	d.Sessions = slices.DeleteFunc(d.Sessions, func(e storedSession) bool { return !now.Before(e.Expires) || now.Sub(e.Used) >= IdleLifetime })
	sh.mu.Lock()
	sh.sequence = max(sh.sequence+1, uint64(max(0, now.UnixMilli())))
	d.Sequence, d.Seen = sh.sequence, maps.Clone(sh.seen)
	for key, e := range sh.ends {
		if n := sh.nodes[e.Node]; !now.Before(e.Until) || n != nil && !n.document.has(e.ID) {
			delete(sh.ends, key) // the node has forgotten it, too
			continue
		}
		d.Ends = append(d.Ends, e)
	}
	d.Uses = sh.foreign.uses()
	sh.mu.Unlock()
	data, left, err := d.encode()
	if err != nil {
		return nil, 0, err
	}
	sealed = sh.key.Seal(sh.node, data)
	sh.mu.Lock()
	sh.left, sh.sealed, sh.sealedSequence = left, sealed, d.Sequence
	sh.mu.Unlock()
	sh.keep()
	return sealed, version, nil
}

// uses are the last uses here of the sessions.
func (fs foreignSessions) uses() map[string]time.Time {
	all := slices.Collect(maps.Values(fs))
	all = slices.DeleteFunc(all, func(f foreignSession) bool { return !f.held })
	slices.SortFunc(all, func(a, b foreignSession) int { return cmp.Or(b.Used.Compare(a.Used), cmp.Compare(a.ID, b.ID)) })
	out := map[string]time.Time{}
	for _, f := range all[:min(len(all), maxUses)] {
		out[f.ID] = f.Used.Truncate(time.Second)
	}
	return out
}

// Published reports that a document of Document has been stored where the others read it, or the
// error if not.
func (sh *SharedSessions) Published(sealed []byte, version uint64, err error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.away = err != nil; err == nil {
		sh.told, sh.toldSequence, sh.latest = max(sh.told, version), sh.sealedSequence, sh.sessions.now()
		sh.published = append([][sha256.Size]byte{sha256.Sum256(sealed)}, sh.published[:min(len(sh.published), 7)]...)
	}
	sh.progressed()
}

// Problems are sentences for operators about the documents of other nodes.
func (sh *SharedSessions) Problems() []string {
	if sh == nil {
		return nil
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var out []string
	for _, name := range slices.Sorted(maps.Keys(sh.problems)) {
		out = append(out, fmt.Sprintf("sessions of node %s are not taken over: what consul has of it %s", name, sh.problems[name]))
	}
	if sh.unnamed > 0 {
		out = append(out, fmt.Sprintf("sessions of %d more nodes are not taken over", sh.unnamed))
	}
	for _, name := range slices.Sorted(maps.Keys(sh.nodes)) {
		if skew := sh.nodes[name].skew; skew.Abs() > maxClockDifference {
			out = append(out, fmt.Sprintf("the clock of node %s differs by %s: sessions may end early or late", name, skew.Round(time.Second)))
		}
	}
	const recent = 10 * time.Minute
	if !sh.overwritten.IsZero() && sh.sessions.now().Sub(sh.overwritten) < recent {
		out = append(out, "somebody else writes to the key "+sh.node+" of this node in consul: logouts may reach the other nodes late")
	}
	if sh.left > 0 {
		out = append(out, fmt.Sprintf("%d sessions, or ends of sessions, are known on this node alone: there are too many for the others", sh.left))
	}
	return out
}

// find is Sessions.find for a session of another node.
func (sh *SharedSessions) find(key [sha256.Size]byte, identify func(Proof) (Identity, bool)) (Session, bool) {
	if sh == nil {
		return Session{}, false
	}
	sh.mu.Lock()
	f, ok := sh.foreign[key]
	sh.mu.Unlock()
	now := sh.sessions.now()
	if !ok || !f.asked || !f.isAlive(now) {
		return Session{}, false
	}
	if f.Identity, ok = identify(f.proof); !ok {
		if f.held {
			sh.end(key)
		}
		return Session{}, false
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if stored, ok := sh.foreign[key]; ok {
		stored.Used, stored.held, stored.Identity = now, true, f.Identity
		sh.foreign[key] = stored
	}
	f.Used = now
	return f.Session, true
}

// end ends a session of another node on all nodes.
func (sh *SharedSessions) end(key [sha256.Size]byte) (Session, bool) {
	if sh == nil {
		return Session{}, false
	}
	sh.mu.Lock()
	f, ok := sh.foreign[key]
	if ok {
		delete(sh.foreign, key)
		sh.ends[key] = sessionEnd{ID: storedOf(key, f.Session).ID, Node: f.Node, Until: f.Expires}
	}
	sh.mu.Unlock()
	if ok {
		sh.poke()
	}
	return f.Session, ok
}

// endListed is Sessions.EndListed for the sessions of other nodes.
func (sh *SharedSessions) endListed(id, owner string) bool {
	if sh == nil {
		return false
	}
	sh.mu.Lock()
	key, ok := sh.foreign.keyOf(id, owner)
	sh.mu.Unlock()
	if ok {
		_, ok = sh.end(key)
	}
	return ok
}

// keyOf finds a session by its Session.ID; owner is its Identity.Owner, or empty for anybody's.
func (fs foreignSessions) keyOf(id, owner string) (key [sha256.Size]byte, ok bool) {
	for key, f := range fs {
		if f.ID == id && (owner == "" || f.held && f.Owner() == owner) {
			return key, true
		}
	}
	return key, false
}

// leave informs the other nodes that the session of a user has ended.
func (sh *SharedSessions) leave(session Session) {
	if sh == nil || session.key == ([sha256.Size]byte{}) {
		return
	}
	sh.mu.Lock()
	sh.ends[session.key] = sessionEnd{ID: storedOf(session.key, session).ID, Node: cmp.Or(session.Node, sh.node), Until: session.Expires, Gone: true}
	sh.mu.Unlock()
	sh.poke()
}

// regroup gives a session of another node the groups that its user has on this one.
func (sh *SharedSessions) regroup(session Session, p Proof) {
	if sh == nil {
		return
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if f, ok := sh.foreign[session.key]; ok {
		f.proof = p
		sh.foreign[session.key] = f
	}
}

// list has the sessions of other nodes.
func (sh *SharedSessions) list() []Session {
	if sh == nil {
		return nil
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	out := make([]Session, 0, len(sh.foreign))
	for _, f := range sh.foreign {
		if f.asked {
			out = append(out, f.Session)
		}
	}
	return out
}

// named says of sessions that they began on this node.
func (sh *SharedSessions) named(own []Session) []Session {
	if sh != nil {
		for i := range own {
			own[i].Node = sh.node
		}
	}
	return own
}
