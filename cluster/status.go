package cluster

import "time"

// States of a cluster as a whole, the worst that holds.
const (
	StateOK          = "ok"
	StateNoFencing   = "no-fencing"  // works; a node that hangs may keep the floating IP
	StateMaintenance = "maintenance" // Pacemaker looks on and does nothing
	StateErrors      = "errors"      // something has failed, or a node is missing
	StateNoQuorum    = "no-quorum"   // this node's partition may run nothing
	StateOffline     = "offline"     // Pacemaker does not run on this node
	// StateNone says that this node is in no cluster, as far as can be seen.
	StateNone = "none"
)

// States are the states of a cluster that there is, the better ones first.
func States() []string {
	return []string{StateOK, StateNoFencing, StateMaintenance, StateErrors, StateNoQuorum, StateOffline}
}

// A Status is what Pacemaker on this node knows of its cluster, as one CIB has
// it.
type Status struct {
	Epoch   Epoch    `json:"epoch"`
	State   string   `json:"state"`
	Reasons []string `json:"reasons"` // for a state that is not ok; sentences
	Name    string   `json:"name"`
	Version string   `json:"version"` // Pacemaker's
	DC      string   `json:"dc"`      // empty: none has been elected
	Quorum  bool     `json:"quorum"`  // of this node's partition
	// Maintenance says that Pacemaker leaves everything alone.
	Maintenance bool    `json:"maintenance"`
	Fencing     Fencing `json:"fencing"`

	Self string `json:"node"` // this node's name
	// Role is what this node does: active (holds a floating IP), ready (runs
	// HAProxy), idle, standby, maintenance or offline.
	Role string `json:"role"`

	Nodes       []Node       `json:"nodes"`
	Resources   []Resource   `json:"resources"`
	FloatingIPs []FloatingIP `json:"floatingIPs"`
	Failures    []Failure    `json:"failures"`
	// Settled says that the cluster has nothing under way.
	Settled bool `json:"settled"`
}

// Fencing says whether a node that does not answer is made sure to be
// gone.
type Fencing struct {
	Enabled bool     `json:"enabled"`
	Devices []string `json:"devices"`
}

// Works reports whether there is fencing.
func (f Fencing) Works() bool { return f.Enabled && len(f.Devices) > 0 }

// A Node is a member of the cluster.
type Node struct {
	Name string `json:"name"`
	// State is online, standby, maintenance, pending, unclean or offline.
	State     string   `json:"state"`
	DC        bool     `json:"dc"`
	Resources []string `json:"resources"` // that run there
	// Attributes are the node's transient ones.
	Attributes map[string]string `json:"attributes"`
}

// A Resource is a primitive, or one instance's worth of a clone, with
// all places where it runs.
type Resource struct {
	ID string `json:"id"`
	// In is the clone or group it belongs to; empty: none.
	In    string `json:"in"`
	Clone bool   `json:"clone"`
	Agent string `json:"agent"` // ocf:thalassa:haproxy
	// State is started, stopped, starting, stopping, failed, blocked, disabled or
	// unmanaged.
	State string `json:"state"`
	// Places are the nodes where an instance is, and how it is there.
	Places []Placement `json:"places"`
}

// A Placement is an instance of a resource on a node.
type Placement struct {
	Node  string `json:"node"`
	State string `json:"state"`
}

// Nodes are the names of those where the resource runs.
func (r Resource) Nodes() []string {
	names := make([]string, len(r.Places))
	for i, p := range r.Places {
		names[i] = p.Node
	}
	return names
}

// A FloatingIP is an address that moves with its resource.
type FloatingIP struct {
	Resource string `json:"resource"`
	Address  string `json:"address"`
	// Node has the address; empty: none. Nodes has every node that Pacemaker
	// believes to have it: more than one is an error.
	Node  string   `json:"node"`
	Nodes []string `json:"nodes"`
}

// A Failure is a failed operation that has not been cleaned up.
type Failure struct {
	Node      string `json:"node"`
	Resource  string `json:"resource"`
	Operation string `json:"operation"` // start, stop, monitor, reload-agent …
	Interval  int    `json:"intervalMs"`
	Code      int    `json:"code"`   // the agent's exit code
	Status    string `json:"status"` // complete, Timed Out, …
	Meaning   string `json:"meaning"`
	Reason    string `json:"reason"` // the agent's words
	Call      int    `json:"call"`
	// Time is when it failed; zero: not known.
	Time time.Time `json:"time"`
}
