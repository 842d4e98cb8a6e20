package auth

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"maps"
	"slices"
)

// An acknowledgement is what a node tells the others of what it has read: the sequences of
// the documents that it has taken over, by their nodes. A document counts everywhere once
// all have acknowledged it.
type acknowledgement struct {
	Read map[string]uint64 `json:"read"`
}

// ackSeal is the name under which a node's acknowledgement is sealed. No node has it.
func ackSeal(node string) string { return "acks/" + node }

// maxAcknowledgement bounds one, in bytes: 64 names and numbers.
const maxAcknowledgement = 16 << 10

// A Reach says where what has become of a session is known.
type Reach string

// The values of Reach.
const (
	// ReachThis: on this node alone. The others cannot be told.
	ReachThis Reach = "this"
	// ReachSome: it is stored for the others, and at least one of them has not read it yet.
	ReachSome Reach = "some"
	// ReachAll: all nodes have read it.
	ReachAll Reach = "all"
)

// Nodes are the names of the nodes that are known, this one among them, sorted.
func (sh *SharedSessions) Nodes() []string {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	names := map[string]bool{sh.node: true}
	for name := range sh.nodes {
		names[name] = true
	}
	for name := range sh.seen {
		names[name] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// Complete says whether all there is in the store has been looked at. Else there may be
// nodes that are not known, and nothing reaches all.
func (sh *SharedSessions) Complete(is bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.incomplete = !is
}

// Acknowledgement is what the other nodes have to know now of what this one has taken over,
// sealed; nil: nothing new. Call stored when they can read it.
func (sh *SharedSessions) Acknowledgement() (sealed []byte, stored func()) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	read := map[string]uint64{}
	for name, n := range sh.nodes {
		read[name] = n.document.Sequence
	}
	if maps.Equal(read, sh.acknowledged) {
		return nil, nil
	}
	data, _ := json.Marshal(acknowledgement{read}) // names and numbers: it never fails
	sealed = sh.key.Seal(ackSeal(sh.node), data)
	return sealed, func() {
		sh.mu.Lock()
		defer sh.mu.Unlock()
		sh.acknowledged, sh.ownAck = read, sha256.Sum256(sealed)
	}
}

// AcknowledgeAgain has the next Acknowledgement be one, also if there is nothing new.
func (sh *SharedSessions) AcknowledgeAgain() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.acknowledged = nil
}

// MergeAcknowledgements takes over the acknowledgements of all nodes, by their names. isGone:
// that of this node is not the one that it told last. What is forged says nothing, and an old
// one says less than a new one.
func (sh *SharedSessions) MergeAcknowledgements(sealed map[string][]byte) (isGone bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	changed := false
	for name, data := range sealed {
		n := sh.nodes[name]
		if n == nil || len(data) > maxAcknowledgement {
			continue
		}
		var a acknowledgement
		if plain, err := sh.key.Open(ackSeal(name), data); err != nil || json.Unmarshal(plain, &a) != nil {
			continue
		}
		if read := a.Read[sh.node]; read > n.hasRead {
			n.hasRead, n.isSilent, changed = read, false, true
		}
	}
	if changed {
		sh.progressed()
	}
	return len(sh.acknowledged) > 0 && sha256.Sum256(sealed[sh.node]) != sh.ownAck
}

// progressed wakes those that wait in Told; mu is held.
func (sh *SharedSessions) progressed() {
	close(sh.progress)
	sh.progress = make(chan struct{})
}

// Told waits until all other nodes have read what has happened here up to now. It does not
// wait for those that have not read in time before, for example because they are away: they
// read it before they serve anybody. It ends early with ctx, or if nobody can be told at
// present.
func (sh *SharedSessions) Told(ctx context.Context) Reach {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	want, sequence := sh.version, uint64(0)
	for {
		if sequence == 0 && sh.told >= want {
			sequence = sh.toldSequence
		}
		late, silent := sh.nodes.unread(sequence)
		switch {
		case sequence == 0 && sh.away:
			return ReachThis
		case sequence == 0:
		case len(late) == 0 && !silent && !sh.incomplete:
			return ReachAll
		case len(late) == 0:
			return ReachSome
		}
		progress := sh.progress
		sh.mu.Unlock()
		select {
		case <-progress:
		case <-ctx.Done():
		}
		sh.mu.Lock()
		if ctx.Err() == nil {
			continue
		}
		if sequence == 0 {
			return ReachThis
		}
		if late, _ = sh.nodes.unread(sequence); errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
			for _, n := range late {
				n.isSilent = true
			}
		}
		return ReachSome
	}
}

// unread are the nodes that have not read a document of this node; silent: there are others
// that have not, and are not waited for.
func (ns peerNodes) unread(sequence uint64) (late []*peerNode, silent bool) {
	for _, n := range ns {
		switch {
		case n.hasRead >= sequence:
		case n.isSilent:
			silent = true
		default:
			late = append(late, n)
		}
	}
	return late, silent
}
