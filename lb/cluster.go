package lb

import "time"

// States of a cluster as a whole, the worst that holds.
const (
	ClusterOK          = "ok"
	ClusterNoFencing   = "no-fencing"  // works; a node that hangs may keep the floating IP
	ClusterMaintenance = "maintenance" // Pacemaker looks on and does nothing
	ClusterErrors      = "errors"      // something has failed, or a node is missing
	ClusterQuorumLost  = "no-quorum"   // this node's partition may run nothing
	ClusterOffline     = "offline"     // Pacemaker does not run on this node
	// ClusterNone says that this node is in no cluster, as far as can be seen.
	ClusterNone = "none"
)

// ClusterStates are the states of a cluster that there is, the better ones first.
func ClusterStates() []string {
	return []string{ClusterOK, ClusterNoFencing, ClusterMaintenance, ClusterErrors, ClusterQuorumLost, ClusterOffline}
}

// A Cluster is what Pacemaker on this node knows of its cluster, as one CIB has
// it.
type Cluster struct {
	Epoch   ClusterEpoch `json:"epoch"`
	State   string       `json:"state"`
	Reasons []string     `json:"reasons"` // for a state that is not ok; sentences
	Name    string       `json:"name"`
	Version string       `json:"version"` // Pacemaker's
	DC      string       `json:"dc"`      // empty: none has been elected
	Quorum  bool         `json:"quorum"`  // of this node's partition
	// Maintenance says that Pacemaker leaves everything alone.
	Maintenance bool           `json:"maintenance"`
	Fencing     ClusterFencing `json:"fencing"`

	Self string `json:"node"` // this node's name
	// Role is what this node does: active (holds a floating IP), ready (runs
	// HAProxy), idle, standby, maintenance or offline.
	Role string `json:"role"`

	Nodes       []ClusterNode     `json:"nodes"`
	Resources   []ClusterResource `json:"resources"`
	FloatingIPs []FloatingIP      `json:"floatingIPs"`
	Failures    []ClusterFailure  `json:"failures"`
	// Settled says that the cluster has nothing under way.
	Settled bool `json:"settled"`
}

// ClusterFencing says whether a node that does not answer is made sure to be
// gone.
type ClusterFencing struct {
	Enabled bool     `json:"enabled"`
	Devices []string `json:"devices"`
}

// Works reports whether there is fencing.
func (f ClusterFencing) Works() bool { return f.Enabled && len(f.Devices) > 0 }

// A ClusterNode is a member of the cluster.
type ClusterNode struct {
	Name string `json:"name"`
	// State is online, standby, maintenance, pending, unclean or offline.
	State     string   `json:"state"`
	DC        bool     `json:"dc"`
	Resources []string `json:"resources"` // that run there
	// Attributes are the node's transient ones.
	Attributes map[string]string `json:"attributes"`
}

// A ClusterResource is a primitive, or one instance's worth of a clone, with
// all places where it runs.
type ClusterResource struct {
	ID string `json:"id"`
	// In is the clone or group it belongs to; empty: none.
	In    string `json:"in"`
	Clone bool   `json:"clone"`
	Agent string `json:"agent"` // ocf:thalassa:haproxy
	// State is started, stopped, starting, stopping, failed, blocked, disabled or
	// unmanaged.
	State string `json:"state"`
	// Places are the nodes where an instance is, and how it is there.
	Places []ClusterPlace `json:"places"`
}

// A ClusterPlace is an instance of a resource on a node.
type ClusterPlace struct {
	Node  string `json:"node"`
	State string `json:"state"`
}

// Nodes are the names of those where the resource runs.
func (r ClusterResource) Nodes() []string {
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

// A ClusterFailure is a failed operation that has not been cleaned up.
type ClusterFailure struct {
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
