package cluster

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"thalassa/lb"
)

// Kinds of actions on the HAProxy of a cluster as a whole. They are jobs like the others, and have
// requests of their own.
const (
	Apply   = "apply"   // writes HAProxy and its floating IPs into the configuration
	Rollout = "rollout" // reloads Resource on all nodes, or on none
	Destroy = "destroy" // removes what Apply has made for the name Resource
)

// HAProxyKinds lists them.
func HAProxyKinds() []string { return []string{Apply, Rollout, Destroy} }

// IsOfHAProxy reports whether the action is one of HAProxyKinds.
func (a Action) IsOfHAProxy() bool { return a.Kind == Apply || a.Kind == Rollout || a.Kind == Destroy }

// HAProxy describes HAProxy and its floating IPs in a cluster in short form.
type HAProxy struct {
	// Name of the HAProxy resource (haproxy); the other names derive from it.
	Name string
	// Agent is HAProxy's resource agent (ocf:thalassa:haproxy).
	Agent string
	// Parameters of the agent.
	Parameters map[string]string
	Topology   string // clone or group (clone)
	// Order of a clone and its addresses, optional or mandatory (optional). In both cases, an
	// address is only on nodes where HAProxy runs, and leaves a node before HAProxy stops there.
	Order string
	// Addresses are the floating IPs with their prefix lengths. They stay together.
	Addresses []netip.Prefix
	// Interface of the addresses; empty: the one with their network.
	Interface string
	// Prefer lists the preferred nodes of the floating IPs, best first. They apply
	// when the addresses start; the addresses do not move back by themselves.
	Prefer []string
	// Nodes that may run HAProxy and have the floating IPs; empty: all.
	Nodes []string
	// Watch lists what a node must have for the floating IPs: interfaces with a carrier,
	// and addresses of which at least one answers pings.
	Watch []string
	// Manage is the floating IP at which clients reach the agents, with its prefix length;
	// not valid: there is none. It is where an agent answers, independent of Addresses.
	Manage netip.Prefix
	// ManagePort is the port of the agents (10000).
	ManagePort int

	Monitor        time.Duration // interval of the shallow monitor of HAProxy (500 ms)
	MonitorTimeout time.Duration // time limit of the shallow monitor: HAProxy may stall that long (10 s)
	DeepMonitor    time.Duration // interval of the monitor of depth 10 (10 s)
	AddressMonitor time.Duration // interval of the monitors of the addresses (5 s)
	Start          time.Duration // time limit of a start and of a reload (60 s)
	Stop           time.Duration // time limit of a stop; then the node is fenced (60 s)
	// Stickiness is the resource-stickiness (nil: 100).
	Stickiness *int
	// Threshold is the migration-threshold: after that many failures, a resource
	// leaves the node (nil: 3). 0: never.
	Threshold *int
	// FailureTimeout is the failure-timeout, after which failures expire (nil: 60 s).
	// 0: never.
	FailureTimeout *time.Duration
}

// HAProxyDocument is HAProxy as JSON, with the names that errors about it have. Durations are texts
// such as "500ms"; what is empty or absent has its default.
type HAProxyDocument struct {
	Name             string          `json:"name,omitempty"`
	Agent            string          `json:"agent,omitempty"`
	Parameters       json.RawMessage `json:"parameters,omitempty"` // an object of strings
	Topology         string          `json:"topology,omitempty"`
	Order            string          `json:"order,omitempty"`
	IPs              []string        `json:"ip,omitempty"`
	Interface        string          `json:"interface,omitempty"`
	Prefer           []string        `json:"prefer,omitempty"`
	Nodes            []string        `json:"nodes,omitempty"`
	Watch            []string        `json:"watch,omitempty"`
	Manage           string          `json:"manage-ip,omitempty"`
	ManagePort       int             `json:"manage-port,omitempty"`
	Monitor          string          `json:"monitor,omitempty"`
	MonitorTimeout   string          `json:"monitor-timeout,omitempty"`
	DeepMonitor      string          `json:"deep-monitor,omitempty"`
	AddressMonitor   string          `json:"address-monitor,omitempty"`
	StartTimeout     string          `json:"start,omitempty"`
	StopTimeout      string          `json:"stop,omitempty"`
	Stickiness       *int            `json:"stickiness,omitempty"`
	MigrateThreshold *int            `json:"migration-threshold,omitempty"`
	FailureTimeout   string          `json:"failure-timeout,omitempty"`
}

// Document is HAProxy as JSON.
func (h HAProxy) Document() (HAProxyDocument, error) {
	d := HAProxyDocument{
		Name: h.Name, Agent: h.Agent, Topology: h.Topology, Order: h.Order, Interface: h.Interface, Prefer: h.Prefer, Nodes: h.Nodes, Watch: h.Watch,
		Monitor: textOf(h.Monitor), MonitorTimeout: textOf(h.MonitorTimeout), DeepMonitor: textOf(h.DeepMonitor), AddressMonitor: textOf(h.AddressMonitor),
		StartTimeout: textOf(h.Start), StopTimeout: textOf(h.Stop), Stickiness: h.Stickiness, MigrateThreshold: h.Threshold,
	}
	if h.FailureTimeout != nil {
		d.FailureTimeout = h.FailureTimeout.String()
	}
	if d.ManagePort = h.ManagePort; h.Manage.IsValid() {
		d.Manage = h.Manage.String()
	}
	for _, a := range h.Addresses {
		d.IPs = append(d.IPs, a.String())
	}
	if len(h.Parameters) == 0 {
		return d, nil
	}
	var err error
	if d.Parameters, err = json.Marshal(h.Parameters); err != nil {
		return d, fmt.Errorf("writing the parameters: %w", err)
	}
	return d, nil
}

// textOf is a duration as text; empty: its default.
func textOf(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

// Parse reads everything but the parameters, which are an object of strings. at is where the
// document is. Its problems are added to fe.
func (d HAProxyDocument) Parse(fe *lb.FieldErrors, at string) HAProxy {
	h := HAProxy{
		Name: d.Name, Agent: d.Agent, Topology: d.Topology, Order: d.Order, Interface: d.Interface, Prefer: d.Prefer, Nodes: d.Nodes, Watch: d.Watch,
		ManagePort: d.ManagePort, Stickiness: d.Stickiness, Threshold: d.MigrateThreshold,
	}
	if d.Manage != "" {
		var err error
		if h.Manage, err = netip.ParsePrefix(d.Manage); err != nil {
			fe.Add(at+".manage-ip", "is no address with a prefix length", `an address such as "192.0.2.11/24"`)
		}
	}
	for i, text := range d.IPs {
		a, err := netip.ParsePrefix(text)
		if err != nil {
			fe.Add(fmt.Sprintf("%s.ip[%d]", at, i), "is no address with a prefix length", `an address such as "192.0.2.10/24"`)
			continue
		}
		h.Addresses = append(h.Addresses, a)
	}
	for _, t := range []struct {
		name, text string
		to         *time.Duration
	}{
		{"monitor", d.Monitor, &h.Monitor},
		{"monitor-timeout", d.MonitorTimeout, &h.MonitorTimeout},
		{"deep-monitor", d.DeepMonitor, &h.DeepMonitor},
		{"address-monitor", d.AddressMonitor, &h.AddressMonitor},
		{"start", d.StartTimeout, &h.Start},
		{"stop", d.StopTimeout, &h.Stop},
	} {
		if value := parseDuration(fe, at+"."+t.name, t.text, time.Millisecond); value != nil {
			*t.to = *value
		}
	}
	h.FailureTimeout = parseDuration(fe, at+".failure-timeout", d.FailureTimeout, 0)
	return h
}

// parseDuration reads a duration of at least a least one; nil: there is none.
func parseDuration(fe *lb.FieldErrors, at, text string, least time.Duration) *time.Duration {
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > 24*time.Hour {
		fe.Add(at, "is no valid duration", `a duration from `+least.String()+` to 24h, e.g. "10s"`)
		return nil
	}
	return &d
}

// A NodeAnswer is the answer of a node's agent about its node: its configuration, or what a plan
// needs there.
type NodeAnswer struct {
	Node   string `json:"node"`
	Valid  bool   `json:"valid"`
	Reason string `json:"reason,omitempty"`
	// Silent: the agent did not answer. Then it is not Valid either.
	Silent bool `json:"silent,omitempty"`
}

// RolledOut is what a rollout has done.
type RolledOut struct {
	Nodes []NodeAnswer `json:"nodes"`
	From  string       `json:"from"` // generation
	To    string       `json:"to"`   // equals From if nothing was changed, or the change was reverted
	// Planned is the generation that a node has refused; empty: none has.
	Planned string `json:"planned,omitempty"`
	// Reloaded are the nodes where HAProxy has reloaded, the last of them ReloadMs
	// after the generation was increased.
	Reloaded []string `json:"reloaded"`
	ReloadMs int64    `json:"reloadMs"`
	// SettleMs is the time until the cluster had settled and all monitors had run.
	SettleMs int64 `json:"settleMs"`
}

// Bounded is a copy with lists and texts of limited size, and no list that is nil.
func (r RolledOut) Bounded() *RolledOut { return r.bounded(bounds{maxJobList, maxJobText}) }

func (r RolledOut) bounded(b bounds) *RolledOut {
	r.From, r.To, r.Planned, r.Reloaded = b.cut(r.From), b.cut(r.To), b.cut(r.Planned), b.texts(r.Reloaded)
	nodes := make([]NodeAnswer, 0, min(len(r.Nodes), b.list))
	for _, n := range r.Nodes[:min(len(r.Nodes), b.list)] {
		n.Node, n.Reason = b.cut(n.Node), b.cut(n.Reason)
		nodes = append(nodes, n)
	}
	r.Nodes = nodes
	return &r
}
