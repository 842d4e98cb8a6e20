package cluster

import "time"

// States of a cluster as a whole. The worst one applies.
const (
	StateOK          = "ok"
	StateNoFencing   = "no-fencing"  // works, but a hanging node may keep the floating IP
	StateMaintenance = "maintenance" // Pacemaker does nothing
	StateErrors      = "errors"      // a resource has failed, or a node is missing
	StateNoQuorum    = "no-quorum"   // this node's partition runs no resources
	StateOffline     = "offline"     // Pacemaker does not run on this node
	// StateNone: this node is apparently not in a cluster.
	StateNone = "none"
)

// States lists the states of an existing cluster, the best first.
func States() []string {
	return []string{StateOK, StateNoFencing, StateMaintenance, StateErrors, StateNoQuorum, StateOffline}
}

// A Status is the status of the cluster in one CIB of this node.
type Status struct {
	Epoch   Epoch    `json:"epoch"`
	State   string   `json:"state"`
	Reasons []string `json:"reasons"` // sentences; empty if the state is ok
	Name    string   `json:"name"`
	Version string   `json:"version"` // Pacemaker's
	DC      string   `json:"dc"`      // empty: none is elected
	Quorum  bool     `json:"quorum"`  // of this node's partition
	// Maintenance: the whole cluster is in maintenance mode.
	Maintenance bool    `json:"maintenance"`
	Fencing     Fencing `json:"fencing"`

	Self string `json:"node"` // this node's name
	// Role of this node: active (has a floating IP), ready (runs HAProxy), idle,
	// standby, maintenance or offline.
	Role string `json:"role"`

	Nodes       []Node       `json:"nodes"`
	Resources   []Resource   `json:"resources"`
	FloatingIPs []FloatingIP `json:"floatingIPs"`
	Failures    []Failure    `json:"failures"`
	// Settled: no operation is pending.
	Settled bool `json:"settled"`
}

// Fencing is the configuration of fencing.
type Fencing struct {
	Enabled bool     `json:"enabled"`
	Devices []string `json:"devices"`
}

// Works reports whether fencing is enabled and has a device.
func (f Fencing) Works() bool { return f.Enabled && len(f.Devices) > 0 }

// A Node is a member of the cluster.
type Node struct {
	Name string `json:"name"`
	// State is online, standby, maintenance, pending, unclean or offline.
	State     string   `json:"state"`
	DC        bool     `json:"dc"`
	Resources []string `json:"resources"` // running there
	// Attributes are the node's transient ones.
	Attributes map[string]string `json:"attributes"`
}

// A Resource is a primitive, or the primitive of a clone, with all its instances.
type Resource struct {
	ID string `json:"id"`
	// In is its clone or group; empty: none.
	In    string `json:"in"`
	Clone bool   `json:"clone"`
	Agent string `json:"agent"` // ocf:thalassa:haproxy
	// State is started, stopped, starting, stopping, failed, blocked, disabled or
	// unmanaged.
	State string `json:"state"`
	// Places are the nodes of its instances, with their states.
	Places []Placement `json:"places"`
}

// A Placement is an instance of a resource on a node.
type Placement struct {
	Node  string `json:"node"`
	State string `json:"state"`
}

// Nodes returns the names of the nodes where the resource runs.
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
	// Node has the address; empty: none. Nodes are all nodes that have it according to
	// Pacemaker: more than one is an error.
	Node  string   `json:"node"`
	Nodes []string `json:"nodes"`
	// HAProxy: the address belongs to HAProxy: it is in a group with HAProxy, colocated
	// with it, or made by thalassa cluster apply.
	HAProxy bool `json:"haproxy"`
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
	Reason    string `json:"reason"` // from the agent
	Call      int    `json:"call"`
	// Time is when it failed; zero: unknown.
	Time time.Time `json:"time"`
}
