package auth

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Merged is the result of merging the documents of all nodes.
type Merged struct {
	// Ended are sessions that other nodes have ended.
	Ended []Session
	// Again: the store does not have this node's last document, so it has to be written again.
	Again bool
	// Unsettled: the store has an older document of this node, perhaps only because the last one
	// was written while it was read.
	Unsettled bool
	// Over are the nodes whose documents have contained nothing valid for an hour.
	Over []string
}

// Merge merges the documents of all nodes, by the names of the nodes. A missing node changes
// nothing. A document that is forged, or older than the known one, is ignored and reported by
// Problems.
func (sh *SharedSessions) Merge(sealed map[string][]byte) Merged {
	now := sh.sessions.now()
	own := map[string]time.Time{} // last use elsewhere of this node's sessions, by Session.ID
	sh.mu.Lock()
	var out Merged
	out.Again, out.Unsettled = sh.ownDocument(sealed[sh.node], now)
	changed := sh.accept(sealed, now)
	ends := sh.nodes.ends(sh.ends, now)
	for name, n := range sh.nodes {
		for id, used := range n.document.Uses {
			if used.After(own[id]) {
				own[id] = used
			}
		}
		if now.Sub(n.document.until()) > time.Hour {
			out.Over = append(out.Over, name)
		}
	}
	out.Ended = sh.replaceForeign(ends, own, now)
	sh.mu.Unlock()
	ended := sh.sessions.settle(ends, own, now)
	for key, session := range ended {
		out.Ended = append(out.Ended, session)
		if ends[key].Gone {
			sh.sessions.authority.forget(session)
		}
	}
	if len(ended) > 0 {
		_ = sh.sessions.store() // which has logged it
	}
	if changed {
		sh.keep()
	}
	return out
}

// ownDocument looks at this node's own document and reports whether it has to be told
// again; mu is held. One that has just been replaced may still be read.
func (sh *SharedSessions) ownDocument(sealed []byte, now time.Time) (again, unsettled bool) {
	const settles = time.Second
	digest := sha256.Sum256(sealed)
	switch place := slices.Index(sh.published, digest); {
	case sealed == nil:
		return len(sh.published) > 0, false
	case place == 0, digest == sha256.Sum256(sh.sealed):
		return false, false
	case place > 0:
		if now.Sub(sh.latest) <= settles {
			return false, true
		}
		sh.overwritten = now
		return true, false
	}
	if len(sh.published) > 0 {
		sh.overwritten = now
	}
	d, err := openDocument(sh.key, sh.node, sealed)
	if err != nil {
		return true, false
	}
	sh.sequence = max(sh.sequence, d.Sequence)
	if len(sh.published) == 0 { // of the last run
		for _, e := range d.Ends {
			if key, err := parseHash(e.ID); err == nil {
				sh.ends[key] = e
			}
		}
	}
	return true, false
}

// accept takes over the documents of other nodes that are right and new, and reports
// whether there was one; mu is held. A name takes memory only if its document is right.
func (sh *SharedSessions) accept(sealed map[string][]byte, now time.Time) (changed bool) {
	problems := map[string]string{}
	opened := sh.openNew(sealed, problems)
	for _, name := range slices.Sorted(maps.Keys(opened)) {
		d, n := opened[name], sh.nodes[name]
		switch {
		case d.Sequence < sh.seen[name]:
			problems[name] = "is an old document, which somebody has put there again"
			continue
		case n == nil && len(sh.nodes) == maxNodes:
			problems[name] = fmt.Sprintf("is too much, after %d other nodes", maxNodes)
			continue
		case n == nil:
			n = &peerNode{}
			sh.nodes[name] = n
		}
		n.skew = 0
		if ahead := d.Written.Sub(now); ahead > maxClockDifference || n.sealed != nil {
			n.skew = ahead
		}
		n.document, n.sealed, n.digest = d, slices.Clone(sealed[name]), sha256.Sum256(sealed[name])
		sh.seen[name] = d.Sequence
		changed = true
	}
	for name, n := range sh.nodes { // whose document was removed: what it said is known
		if _, there := sealed[name]; !there && now.Sub(n.document.until()) > time.Hour {
			delete(sh.nodes, name)
		}
	}
	former := sh.problems
	sh.problems, sh.unnamed = firstProblems(problems)
	for name, problem := range sh.problems {
		if former[name] != problem {
			sh.logger.Warn("sessions of a node not taken over", "node", name, "error", problem)
		}
	}
	return changed
}

// openNew opens the documents of other nodes that are not known yet, and notes what they
// have seen; mu is held.
func (sh *SharedSessions) openNew(sealed map[string][]byte, problems map[string]string) map[string]clusterDocument {
	opened := map[string]clusterDocument{}
	for name, data := range sealed {
		if n := sh.nodes[name]; name == sh.node || n != nil && n.digest == sha256.Sum256(data) {
			continue
		}
		if !IsNodeName(name) {
			problems[name] = "has no name of a node"
			continue
		}
		d, err := openDocument(sh.key, name, data)
		if err != nil {
			problems[name] = err.Error()
			continue
		}
		opened[name] = d
		for node, sequence := range d.Seen {
			if _, known := sh.seen[node]; known || len(sh.seen) < maxNodes {
				sh.seen[node] = max(sh.seen[node], sequence)
			}
		}
	}
	sh.sequence = max(sh.sequence, sh.seen[sh.node])
	return opened
}

// firstProblems are the problems to show to operators, by node, and the number of the others.
func firstProblems(problems map[string]string) (first map[string]string, more int) {
	const most = 8
	first = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		if len(first) == most {
			break
		}
		shown := name
		if !IsNodeName(name) {
			shown = "(no name)"
		}
		first[shown] = problems[name]
	}
	return first, max(0, len(problems)-most)
}

// ends are the ends that any node has told, with those that this node tells.
func (ns peerNodes) ends(own map[[sha256.Size]byte]sessionEnd, now time.Time) map[[sha256.Size]byte]sessionEnd {
	out := maps.Clone(own)
	for _, n := range ns {
		for _, e := range n.document.Ends {
			if key, err := parseHash(e.ID); err == nil && now.Before(e.Until) {
				e.Gone = e.Gone || out[key].Gone
				out[key] = e
			}
		}
	}
	return out
}

// replaceForeign makes the sessions of other nodes those of their documents, and returns
// those that have ended; mu is held.
func (sh *SharedSessions) replaceForeign(ends map[[sha256.Size]byte]sessionEnd, used map[string]time.Time, now time.Time) (ended []Session) {
	former := sh.foreign
	sh.foreign = make(foreignSessions, len(former))
	for _, name := range slices.Sorted(maps.Keys(sh.nodes)) {
		for _, e := range sh.nodes[name].document.Sessions {
			key, session, ok := e.parse()
			if _, over := ends[key]; !ok || over || len(sh.foreign) >= maxSessions {
				continue
			}
			f, known := former[key]
			if !known || f.Node != name {
				remaining := session.Expires.Sub(now)
				if remaining > SessionLifetime+maxClockDifference {
					continue
				}
				f = foreignSession{Session: session, asked: session.Kind != ByAccount}
				f.Node = name
				// From now on the time is that which passes, whatever is done to the clock.
				f.Expires, f.Used = now.Add(min(remaining, SessionLifetime)), now.Add(min(0, session.Used.Sub(now)))
			} else if session.Kind != ByAccount { // the groups of accounts are those of this node
				f.proof = session.proof
			}
			for _, at := range []time.Time{session.Used, used[session.ID]} {
				if at.After(f.Used) {
					f.Used = at
				}
			}
			f.Used = earlier(f.Used, now)
			if f.isAlive(now) {
				sh.foreign[key] = f
			}
		}
	}
	for key, f := range former {
		if _, ok := sh.foreign[key]; !ok && f.isAlive(now) {
			ended = append(ended, f.Session)
			if ends[key].Gone {
				sh.sessions.authority.forget(f.Session)
			}
		}
	}
	return ended
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// settle ends sessions that began here and have ended elsewhere, and notes where others
// were used.
func (s *Sessions) settle(ends map[[sha256.Size]byte]sessionEnd, used map[string]time.Time, now time.Time) (ended map[[sha256.Size]byte]Session) {
	ended = map[[sha256.Size]byte]Session{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, session := range s.byID {
		if _, over := ends[key]; over {
			delete(s.byID, key)
			ended[key] = session
			continue
		}
		if at := earlier(used[session.ID], now); at.After(session.Used) {
			session.Used = at
			s.byID[key] = session
		}
	}
	return ended
}

// Sweep ends the sessions that the files of this node no longer allow, also those that are not used
// here, and returns them. Call it every second or so.
func (sh *SharedSessions) Sweep() (ended []Session) {
	now := sh.sessions.now()
	sh.mu.Lock()
	foreign := maps.Clone(sh.foreign)
	sh.mu.Unlock()
	for key, f := range foreign {
		who, valid := sh.sessions.authority.Identify(f.proof)
		switch {
		case !f.isAlive(now):
			sh.mu.Lock()
			delete(sh.foreign, key)
			sh.mu.Unlock()
		case !f.asked:
		case !valid && f.held:
			if session, ok := sh.end(key); ok {
				ended = append(ended, session)
			}
		case valid && (!f.held || !f.Same(who.Grant) || f.Name != who.Name):
			sh.hold(key, who)
			if !f.held {
				sh.sessions.authority.remember(f.proof, who.Name, f.Begun)
			}
		}
	}
	return append(ended, sh.sessions.Sweep()...)
}

// hold notes that a session of another node is valid here.
func (sh *SharedSessions) hold(key [sha256.Size]byte, who Identity) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if f, ok := sh.foreign[key]; ok {
		f.held, f.Identity = true, who
		sh.foreign[key] = f
	}
}

// Sweep ends the sessions that began here and are not valid any more, also those that nobody uses:
// they do not come back with their token. It returns them.
func (s *Sessions) Sweep() (ended []Session) {
	s.mu.Lock()
	own := maps.Clone(s.byID)
	s.mu.Unlock()
	now := s.now()
	for key, session := range own {
		if _, valid := s.authority.Identify(session.proof); (!valid || !session.isAlive(now)) && s.remove(key) {
			ended = append(ended, session)
		}
	}
	if len(ended) > 0 {
		_ = s.store() // which has logged it
	}
	return ended
}
