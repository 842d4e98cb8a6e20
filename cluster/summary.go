package cluster

import (
	"slices"
	"time"
)

// States of a cluster that another agent tells of, beside those of a Status.
const (
	StateUnreachable = "unreachable" // none of its agents gives a usable answer
	StateUnknown     = "unknown"     // none of its agents has been asked yet
)

// Bounds of a Summary.
const (
	maxSummaryReasons  = 20
	maxSummaryFailures = 20
)

// A Summary is a cluster at a glance, as one of its agents has told another agent. All texts and
// lists are bounded.
type Summary struct {
	// Name is what the settings of the agent that shows it call it.
	Name string `json:"name"`
	// State is that of the Status, or unreachable or unknown.
	State   string   `json:"state"`
	Reasons []string `json:"reasons"` // sentences; empty if the state is ok

	Own         string `json:"clusterName"` // what the cluster calls itself
	Version     string `json:"version"`     // Pacemaker's
	Epoch       Epoch  `json:"epoch"`
	DC          string `json:"dc"` // empty: none is elected
	Quorum      bool   `json:"quorum"`
	Maintenance bool   `json:"maintenance"`
	Fencing     bool   `json:"fencing"` // works

	Nodes       int `json:"nodes"`
	NodesOnline int `json:"nodesOnline"`
	// Resources are primitives; a clone counts as one.
	Resources        int `json:"resources"`
	ResourcesRunning int `json:"resourcesRunning"`
	ResourcesFailed  int `json:"resourcesFailed"` // failed or blocked
	// Failures are the latest ones of FailureCount.
	Failures     []Failure `json:"failures"`
	FailureCount int       `json:"failureCount"`

	// Node has told this, at Address; empty: none yet.
	Node    string `json:"node"`
	Address string `json:"address"`
	// Seen is when; zero: never. While the state is unreachable, everything else is what was seen
	// then.
	Seen   time.Time    `json:"seen,omitzero"`
	Agents []AgentState `json:"agents"`
}

// An AgentState is how an agent of another cluster answers.
type AgentState struct {
	Address string `json:"address"`
	// Problem is why it gave no usable answer when it was last asked; empty: it did, or it was not
	// asked.
	Problem string `json:"problem,omitempty"`
	// Retry is when it is asked again at the earliest; zero: whenever it is needed.
	Retry time.Time `json:"retry,omitzero"`
}

// Summarized is a Summary of a status without what its receiver knows: name, address, time and
// agents.
func Summarized(v Status) Summary {
	s := Summary{
		State: v.State, Reasons: boundedTexts(v.Reasons[:min(len(v.Reasons), maxSummaryReasons)]), Own: boundedText(v.Name), Version: boundedText(v.Version), Epoch: v.Epoch, DC: boundedText(v.DC), Quorum: v.Quorum,
		Maintenance: v.Maintenance, Fencing: v.Fencing.Works(), Nodes: len(v.Nodes), Resources: len(v.Resources), FailureCount: len(v.Failures),
		Failures: latestFailures(v.Failures), Node: boundedText(v.Self), Agents: []AgentState{},
	}
	for _, n := range v.Nodes {
		if n.State == NodeOnline {
			s.NodesOnline++
		}
	}
	for _, r := range v.Resources {
		switch {
		case r.State == "failed" || r.State == "blocked":
			s.ResourcesFailed++
		case len(r.Places) > 0:
			s.ResourcesRunning++
		}
	}
	return s
}

// latestFailures are the last ones by time, the latest first.
func latestFailures(all []Failure) []Failure {
	out := slices.Clone(all)
	slices.SortStableFunc(out, func(a, b Failure) int { return b.Time.Compare(a.Time) })
	out = out[:min(len(out), maxSummaryFailures):min(len(out), maxSummaryFailures)]
	for i := range out {
		f := &out[i]
		for _, text := range []*string{&f.Node, &f.Resource, &f.Operation, &f.Status, &f.Meaning, &f.Reason} {
			*text = boundedText(*text)
		}
	}
	if out == nil {
		return []Failure{}
	}
	return out
}
