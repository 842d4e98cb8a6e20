package membership

import (
	"slices"
	"time"

	"thalassa/bootstrap"
	"thalassa/corosync"
	"thalassa/lb"
)

// Verbs of questions.
const (
	VerbCheck  = "check"  // whether root answers, and is not at work; changes nothing
	VerbInvite = "invite" // a code, and waits for nodes until all have joined, it has expired or the connection ends
	VerbJoin   = "join"   // this node joins with Code, as Node (its host name) with Addresses (the one towards the other node)
	VerbSync   = "sync"   // gets new corosync.confs from the node that invites or forgets, until the connection ends
	VerbLeave  = "leave"  // this node leaves; one that is in no cluster has left
	VerbForget = "forget" // Gone, which have left or are off, are removed from all others; ends with the connection, and may be repeated
)

// A Question is what the agent wants.
type Question struct {
	Verb string `json:"verb"`
	// For is how long a code is valid, in seconds; Nodes is how many may join with it.
	For   int `json:"for,omitempty"`
	Nodes int `json:"nodes,omitempty"`
	// Code is a secret.
	Code      string   `json:"code,omitempty"`
	Node      string   `json:"node,omitempty"`
	Addresses []string `json:"addresses,omitempty"`
	// Gone are nodes. Down: somebody has made sure that they are off.
	Gone []string `json:"gone,omitempty"`
	Down bool     `json:"down,omitempty"`
}

// An Event is what bootstrap tells.
type Event = bootstrap.Event

// Bounds of an exchange.
const (
	maxQuestion = 4 << 10 // bytes
	maxLine     = 64 << 10
	maxText     = 4 << 10
	maxEvents   = 10000
	// readWithin is how long a question may take to arrive, and a line of an answer to be taken.
	readWithin = 10 * time.Second
	// syncWait is how long a member looks for the node that invites.
	syncWait = 30 * time.Second
)

// Limits of what root does. Codes and syncs are bounded by the longest validity of a code.
const (
	// Longest is how long a join, leave or forget may take: each of its waits has a limit of its
	// own, and they may follow one another.
	Longest = time.Hour
	// longestInvite is longer than the longest code is valid: who has begun to join ends that.
	longestInvite = 25 * time.Hour
)

// limit is how long a question may take.
func (q Question) limit() time.Duration {
	if q.Verb == VerbInvite || q.Verb == VerbSync {
		return longestInvite
	}
	return Longest
}

// endsWithConnection reports whether nothing goes on without the agent.
func (q Question) endsWithConnection() bool {
	return q.Verb == VerbInvite || q.Verb == VerbSync || q.Verb == VerbForget
}

// A field of a question.
type field struct {
	name    string
	isGiven bool
}

func (q Question) fields() []field {
	return []field{{"for", q.For != 0}, {"nodes", q.Nodes != 0}, {"code", q.Code != ""}, {"node", q.Node != ""}, {"addresses", len(q.Addresses) > 0}, {"gone", len(q.Gone) > 0}, {"down", q.Down}}
}

// check refuses questions with fields that are missing, or have no meaning. Values are checked by
// package bootstrap. The error is an *lb.InvalidError.
func (q Question) check() error {
	needs, known := map[string][]string{
		VerbCheck: nil, VerbInvite: {"for", "nodes"}, VerbJoin: {"code"}, VerbSync: nil, VerbLeave: nil, VerbForget: {"gone"},
	}[q.Verb]
	if !known {
		return invalid("verb", "is not known", "check, invite, join, sync, leave or forget")
	}
	takes := slices.Clone(needs)
	if q.Verb == VerbJoin {
		takes = append(takes, "node", "addresses")
	}
	if q.Verb == VerbForget {
		takes = append(takes, "down")
	}
	for _, f := range q.fields() {
		if slices.Contains(needs, f.name) && !f.isGiven {
			return invalid(f.name, "is missing", "a value")
		}
		if f.isGiven && !slices.Contains(takes, f.name) {
			return invalid(f.name, "has no meaning for "+q.Verb, "no value")
		}
	}
	if len(q.Addresses) > corosync.MaxLinks {
		return invalid("addresses", "has too many", "one for each network of the cluster")
	}
	return nil
}

func invalid(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

// A line is one of an answer.
type line struct {
	Event *Event `json:"event,omitempty"`
	// End: nothing follows. Error is why it has failed; empty: it is done.
	End      bool   `json:"end,omitempty"`
	Error    string `json:"error,omitempty"`
	Kind     string `json:"kind,omitempty"` // of the error
	Field    string `json:"field,omitempty"`
	Expected string `json:"expected,omitempty"`
}

// Kinds of errors.
const (
	kindInvalid  = "invalid"   // Field: what Expected says would be right
	kindConflict = "conflict"  // the state of the node or the cluster does not allow it
	kindBusy     = "busy"      // another command is at work
	kindNoAnswer = "no-answer" // of the invitation
	kindEnded    = "ended"     // as it was told to
	kindFailed   = "failed"
)
