package cluster

import (
	"slices"
	"time"
)

// States of an invitation.
const (
	InvitationOpen   = "open"   // nodes can join with its code
	InvitationDone   = "done"   // all of its nodes have joined
	InvitationEnded  = "ended"  // somebody has ended it, or its agent
	InvitationFailed = "failed" // Result says why; the code may have expired
)

// An Invitation lets other nodes join the cluster of a node.
type Invitation struct {
	// Node has made it, and waits for the others.
	Node   string `json:"node"`
	Author string `json:"author"`
	// Code is a secret: it gives the key of the cluster to whoever has it. It is in the answer to the
	// request that has made it, and nowhere else.
	Code    string           `json:"code,omitempty"`
	Nodes   int              `json:"nodes"` // how many may join with the code
	Expires time.Time        `json:"expires"`
	State   string           `json:"state"`
	Result  string           `json:"result,omitempty"` // why it has ended
	Steps   []MembershipStep `json:"steps"`
}

// A MembershipStep is one thing that is done so that a node joins, and how it is now.
type MembershipStep struct {
	Node string `json:"node,omitempty"`
	// Step is authkey, corosync.conf, corosync, pacemaker, member and so on; node is about a whole
	// node, sync about a new corosync.conf.
	Step string `json:"step"`
	// State is begin, done, kept (an earlier request has done it), undone, failed, waiting or warning.
	State string `json:"state"`
	Text  string `json:"text"` // a sentence
}

// MaxMembershipSteps bounds the steps that are kept.
const MaxMembershipSteps = 200

// WithStep are steps with a further event: the state of a step replaces its former one, and a warning
// is kept beside others. Of too many, the oldest one goes that is no warning.
func WithStep(steps []MembershipStep, s MembershipStep) []MembershipStep {
	isWarning := func(s MembershipStep) bool { return s.State == "warning" }
	for i, known := range steps {
		isSame := known.Node == s.Node && known.Step == s.Step && isWarning(known) == isWarning(s)
		if isSame && (!isWarning(s) || known.Text == s.Text) {
			steps[i] = s
			return steps
		}
	}
	if len(steps) >= MaxMembershipSteps {
		i := slices.IndexFunc(steps, func(s MembershipStep) bool { return !isWarning(s) })
		if i < 0 && !isWarning(s) {
			return steps
		}
		steps = slices.Delete(steps, max(i, 0), max(i, 0)+1)
	}
	return append(steps, s)
}

// An Inviting is what a request for an Invitation wants.
type Inviting struct {
	For   time.Duration // how long the code is valid
	Nodes int
}

// A Joining is how a node joins a cluster.
type Joining struct {
	Code      string   // a secret
	Node      string   // its name; empty: its host name
	Addresses []string // for corosync; none: the one that leads to the inviting node
}

// A Membership is that of a node that is in its cluster.
type Membership struct {
	Node  string           `json:"node"`
	Steps []MembershipStep `json:"steps"`
	// Cluster is what the node sees; nil: its agent has not seen the cluster yet.
	Cluster *Status `json:"cluster,omitempty"`
}
