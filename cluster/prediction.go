package cluster

// A Prediction is what Pacemaker's scheduler has decided about a CIB, and how the cluster
// would carry it out.
type Prediction struct {
	// Epoch is that of the CIB. An uploaded one has its own.
	Epoch Epoch `json:"epoch"`
	// Supposed are the events that were injected, one sentence each.
	Supposed []string `json:"supposed"`

	Consequences

	Graph Graph `json:"graph"`
	// Scores are those by which the scheduler has chosen nodes.
	Scores []Score `json:"scores"`
	// Capacities are what is left of each node's capacity when that is done.
	Capacities []Capacity `json:"capacities"`
}

// Kinds of steps.
const (
	StepOperation = "operation" // of a resource agent
	StepFence     = "fence"     // of a node
	StepCluster   = "cluster"   // of Pacemaker itself, such as forgetting failures
	StepPseudo    = "pseudo"    // done by nobody: it only gives an order to others
)

// A Graph is a transition: what the cluster does, and in which order. What no edges put in
// order may be done at the same time.
type Graph struct {
	Steps []Step `json:"nodes"`
	Edges []Edge `json:"edges"`
	// Depth is how many steps come one after the other at least, and Width how many may be
	// done at the same time at most. Pseudo steps do not count.
	Depth int `json:"depth"`
	Width int `json:"width"`
}

// A Step is one action of a transition.
type Step struct {
	ID   int    `json:"id"`
	Kind string `json:"kind"`
	// Operation is start, stop, monitor, stonith, …
	Operation string `json:"operation"`
	Resource  string `json:"resource,omitempty"`
	Node      string `json:"node,omitempty"`
	// Interval of a recurring operation in milliseconds; 0: it is done once.
	Interval int `json:"intervalMs,omitempty"`
	// Order is the number of operations on the longest way to this one, itself included:
	// steps of the same order may be done at the same time.
	Order int `json:"order"`
	// Params and Meta are given to the resource agent. Secrets are masked.
	Params map[string]string `json:"params,omitempty"`
	Meta   map[string]string `json:"meta,omitempty"`
}

// An Edge says that a step waits for another one.
type Edge struct {
	From int `json:"from"`
	To   int `json:"to"` // it waits
}

// A Score says how much the scheduler wants a resource on a node.
type Score struct {
	Resource string `json:"resource"`
	Node     string `json:"node"`
	Score    string `json:"score"` // -INFINITY to INFINITY
	// Promotion: it is about the promoted role.
	Promotion bool `json:"promotion,omitempty"`
}

// A Capacity is what a node has left.
type Capacity struct {
	Node string            `json:"node"`
	Left map[string]string `json:"left"` // by name of the utilization
}
