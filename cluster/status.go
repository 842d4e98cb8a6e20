package cluster

import (
	"slices"
	"time"
)

// States of a cluster as a whole. The worst one applies.
const (
	StateOK          = "ok"
	StateNoFencing   = "no-fencing"  // works, but a hanging node may keep the floating IP
	StateDegraded    = "degraded"    // works, but not as it should: an agent says so, or quorum is ignored
	StateChanging    = "changing"    // Pacemaker is about to start, stop, move or fence
	StateMaintenance = "maintenance" // Pacemaker does nothing
	StateErrors      = "errors"      // a resource has failed, or a node is missing
	StateNoQuorum    = "no-quorum"   // this node's partition runs no resources
	StateOffline     = "offline"     // Pacemaker does not run on this node
	// StateNone: this node is apparently not in a cluster.
	StateNone = "none"
)

// States lists the states of an existing cluster, the best first.
func States() []string {
	return []string{StateOK, StateNoFencing, StateDegraded, StateChanging, StateMaintenance, StateErrors, StateNoQuorum, StateOffline}
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
	Maintenance bool `json:"maintenance"`
	// StopAll: stop-all-resources is set, so Pacemaker runs nothing.
	StopAll bool    `json:"stopAll"`
	Fencing Fencing `json:"fencing"`

	Self string `json:"node"` // this node's name
	// Role of this node: active (has a floating IP), ready (runs HAProxy), idle,
	// standby, maintenance or offline.
	Role string `json:"role"`

	Nodes       []Node       `json:"nodes"`
	Resources   []Resource   `json:"resources"`
	FloatingIPs []FloatingIP `json:"floatingIPs"`
	Failures    []Failure    `json:"failures"`
	Tickets     []Ticket     `json:"tickets,omitempty"`
	Bans        []Ban        `json:"bans,omitempty"`
	FailCounts  []FailCount  `json:"failCounts,omitempty"`
	// FenceHistory has the latest fencing actions, newest first. Only a running
	// cluster has it.
	FenceHistory []FenceEvent `json:"fenceHistory,omitempty"`
	// Settled: no operation is pending.
	Settled bool `json:"settled"`
	// ShutDown is why the cluster is offline here; nil: nobody has asked for that.
	ShutDown *ShutDown `json:"shutDown,omitempty"`
}

// A ShutDown says who has shut down the cluster, or this node of it.
type ShutDown struct {
	By   string    `json:"by"`
	Time time.Time `json:"time"`
	Job  string    `json:"job"`
	Node string    `json:"node,omitempty"` // empty: all nodes
}

// Sentence is what people read about it.
func (s ShutDown) Sentence() string {
	what := "the cluster"
	if s.Node != "" {
		what = "the node " + s.Node
	}
	by := s.By
	if by == "" {
		by = "somebody"
	}
	return what + " was shut down by " + by + " at " + s.Time.UTC().Format(time.DateTime) + " UTC (job " + s.Job + ")"
}

// Fencing is the configuration of fencing.
type Fencing struct {
	Enabled bool     `json:"enabled"`
	Devices []string `json:"devices"`
	// Idle are those of Devices that no node runs: disabled, stopped or failed.
	Idle []string `json:"idleDevices,omitempty"`
	// Watchdog: nodes without quorum reset themselves (SBD without a disk).
	Watchdog bool `json:"watchdog"`
}

// Works reports whether fencing is enabled, and a device or a watchdog does it.
func (f Fencing) Works() bool {
	return f.Enabled && (f.Watchdog || len(f.Devices) > len(f.Idle))
}

// A Node is a member of the cluster.
type Node struct {
	Name string `json:"name"`
	// Type is member, remote or guest. Host is the resource that runs a guest.
	Type string `json:"type,omitempty"`
	Host string `json:"host,omitempty"`
	// State is online, standby, maintenance, pending, unclean or offline.
	State string `json:"state"`
	// Leaving: it is on its way down, in whichever state; Pacemaker stops there on request.
	Leaving   bool     `json:"leaving,omitempty"`
	DC        bool     `json:"dc"`
	Resources []string `json:"resources"` // running there
	// Attributes are the node's transient ones.
	Attributes map[string]string `json:"attributes"`
	// Utilization is its capacity, by name.
	Utilization map[string]string `json:"utilization,omitempty"`
}

// IsOnline reports whether the node takes part in the cluster, also if it runs no resources.
func (n Node) IsOnline() bool {
	return n.State == "online" || n.State == "standby" || n.State == "maintenance"
}

// Members are the nodes that run corosync, and so may have an agent of this cluster: remote nodes
// and guests do not.
func (v Status) Members() []Node {
	return slices.DeleteFunc(slices.Clone(v.Nodes), func(n Node) bool { return n.Type == "remote" || n.Type == "guest" })
}

// NodeNamed is the node of that name; the zero value: there is none.
func (v Status) NodeNamed(name string) Node {
	if i := slices.IndexFunc(v.Nodes, func(n Node) bool { return n.Name == name }); i >= 0 {
		return v.Nodes[i]
	}
	return Node{}
}

// A Resource is a primitive, or the primitive of a clone, with all its instances.
type Resource struct {
	ID string `json:"id"`
	// In is its outermost clone, group or bundle; empty: none. Containers are all of
	// them, the outermost first.
	In         string   `json:"in"`
	Containers []string `json:"containers,omitempty"`

	Clone bool   `json:"clone"`
	Agent string `json:"agent"` // ocf:thalassa:haproxy
	// State is started, stopped, starting, stopping, failed, blocked, disabled or
	// unmanaged.
	State string `json:"state"`
	// Places are the nodes of its instances, with their states.
	Places []Placement `json:"places"`
	// Managed: Pacemaker manages each of its instances.
	Managed bool `json:"managed"`
	// Why has sentences that explain why it is not where it should be.
	Why []string `json:"why,omitempty"`
	// Utilization is the capacity it needs, by name.
	Utilization map[string]string `json:"utilization,omitempty"`
}

// A Placement is an instance of a resource on a node.
type Placement struct {
	Node  string `json:"node"`
	State string `json:"state"`
	// Role is started, promoted or unpromoted.
	Role string `json:"role,omitempty"`
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
	// Pacemaker: more than one is an error, unless Shared.
	Node  string   `json:"node"`
	Nodes []string `json:"nodes"`
	// Shared: its resource is a clone, so it is on several nodes on purpose.
	Shared bool `json:"shared,omitempty"`
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
