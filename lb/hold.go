package lb

import "time"

// A Hold says that a service keeps instances although Consul does not list them as usable any more:
// too many disappeared at once to accept the loss without confirmation. Such an instance has Held
// set.
type Hold struct {
	Since time.Time
	// Until is when the loss is accepted without confirmation, if Consul's catalog can then be
	// read. Zero: never.
	Until time.Time
	// Lost is how many instances are held.
	Lost int
	// Reason says what happened, e.g. "6 of 6 instances are gone at once".
	Reason string
	// Doubt says why a repeated answer of Consul proves nothing; empty: a second look about a
	// second later decides.
	Doubt Doubt
}

// A Doubt is a reason, as a clause, not to accept a loss that Consul reports.
type Doubt string

// The doubts there are.
const (
	DoubtRestart Doubt = "consul was away or has lost its state, and may not know all services again"
	DoubtBlind   Doubt = "nothing shows that consul lets the agent read its catalog"
	DoubtSilent  Doubt = "only their nodes do not answer consul, their own checks pass"
)

// String is reason and doubt, for people.
func (h Hold) String() string {
	if h.Doubt == "" {
		return h.Reason
	}
	return h.Reason + ": " + string(h.Doubt)
}

// equal reports whether two holds are the same; nil is none.
func (h *Hold) equal(o *Hold) bool {
	if h == nil || o == nil {
		return h == o
	}
	return h.Since.Equal(o.Since) && h.Until.Equal(o.Until) && h.Lost == o.Lost && h.Reason == o.Reason && h.Doubt == o.Doubt
}

// Accepted is the Released of a service whose hold an operator ended.
const Accepted = "accepted by an operator"
