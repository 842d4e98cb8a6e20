package failover

import (
	"time"

	"thalassa/cluster"
)

// Kinds of what is explained.
const (
	KindLoss    = "loss"    // a node was lost
	KindFailure = "failure" // an operation of a resource failed
	KindMove    = "move"    // somebody changed something, or asked for a move
	KindOther   = "other"   // nothing moved: there are no phases
)

// Phases, in their order. A phase that the records rule out is left out.
const (
	// PhaseDetection is from the last good answer until the cluster noticed: of a node, the
	// token timeout; of a resource, the interval of its monitor.
	PhaseDetection = "detection"
	// PhaseRequest is from the request of a move until the scheduler began.
	PhaseRequest = "request"
	// PhaseMembership is corosync's: until the others agreed that the node has left.
	PhaseMembership = "membership"
	PhaseElection   = "election"  // of a DC, if that was lost, or another one took over
	PhaseScheduler  = "scheduler" // until the transition was calculated
	PhaseFencing    = "fencing"
	PhaseStop       = "stop"    // of an address on the node that it left
	PhaseAddress    = "address" // the start of an address on its new node
	// PhaseHAProxy is until the first good monitor of HAProxy on that node.
	PhaseHAProxy = "haproxy"
)

// An Explanation says what became of an incident or a move.
type Explanation struct {
	Transition string `json:"transition"` // that was asked about
	// Transitions are those that belong together, the earliest first.
	Transitions []string `json:"transitions"`
	Kind        string   `json:"kind"`
	// Node was lost, or something failed on it, or left it; empty: none.
	Node string `json:"node,omitempty"`
	// Summary is one sentence.
	Summary string  `json:"summary"`
	Phases  []Phase `json:"phases"`
	// Total is from the beginning of the first phase to the end of the last one.
	Total Span `json:"total"`
	// Notes say what the records rule out or lack, one sentence each.
	Notes  []string `json:"notes"`
	Advice []Advice `json:"advice"`
	// LogNode is the node whose logs were read, LogSources are which of them. LogNodes are those
	// that have lines here, and Missing those whose lines are not, or not all.
	LogNode    string              `json:"logNode"`
	LogNodes   []string            `json:"logNodes"`
	LogSources []cluster.LogSource `json:"logSources"`
	Missing    []string            `json:"missing"`
}

// An Instant is when something was, as exactly as it was recorded: at or after Earliest, and
// at or before Latest. Both are equal where a log has it, and a second apart where a time was
// kept in whole seconds. A zero bound is not known.
type Instant struct {
	Earliest time.Time `json:"earliest,omitzero"`
	Latest   time.Time `json:"latest,omitzero"`
}

// Known reports whether both bounds are known.
func (i Instant) Known() bool { return !i.Earliest.IsZero() && !i.Latest.IsZero() }

// A Span is a duration by its bounds, in milliseconds.
type Span struct {
	MinMS int64 `json:"minMs"`
	MaxMS int64 `json:"maxMs"` // -1: not known
}

// A Phase is one part of what happened.
type Phase struct {
	Name string `json:"name"`
	// Node and Resource are what it is about; empty: the whole cluster.
	Node     string  `json:"node,omitempty"`
	Resource string  `json:"resource,omitempty"`
	Begin    Instant `json:"begin"`
	End      Instant `json:"end"`
	Took     Span    `json:"took"`
	// Recorded: both its ends are from records of its own. Else an end is an interval
	// between other records.
	Recorded bool     `json:"recorded"`
	Sources  []Source `json:"sources"`
}

// A Source is a record by which a phase is known.
type Source struct {
	// Kind is journal, pacemaker.log, corosync.log, transition, operation, job, change or
	// activity.
	Kind string    `json:"kind"`
	Time time.Time `json:"time"`
	Node string    `json:"node,omitempty"`
	Text string    `json:"text"`
}

// An Advice is a setting or a habit that cost time.
type Advice struct {
	Rule string `json:"rule"` // token, token_coefficient, consensus, transition-delay …
	// CostMS is the time that it cost by the records, in milliseconds; AtMost: or less.
	CostMS int64  `json:"costMs"`
	AtMost bool   `json:"atMost,omitempty"`
	Text   string `json:"text"` // sentences
}
