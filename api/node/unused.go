package node

import (
	"time"

	"thalassa/lb"
)

// MaxUnused bounds a list of unused instances.
const MaxUnused = 200

// A Check is a health check in Consul that does not pass; lb.Check documents its fields.
type Check struct {
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Status string `json:"status"` // warning, critical or maintenance
	Output string `json:"output,omitempty"`
	OfNode bool   `json:"ofNode,omitempty"`
}

// A Fault is what is wrong with one registration; lb.Fault documents its fields.
type Fault struct {
	ID      string  `json:"id"`
	Node    string  `json:"node"`
	Address string  `json:"address"` // HOST:PORT as registered
	Version string  `json:"version,omitempty"`
	Reason  string  `json:"reason"`
	Checks  []Check `json:"checks,omitempty"`
}

// An UnusedInstance is an instance or member that a backend sends no requests to; lb.UnusedInstance
// documents its fields.
type UnusedInstance struct {
	ID      string        `json:"id,omitempty"`
	Node    string        `json:"node,omitempty"`
	Address string        `json:"address"`
	Version string        `json:"version,omitempty"`
	Status  string        `json:"status,omitempty"` // Consul's
	Kind    string        `json:"kind"`
	Reason  string        `json:"reason"`
	Checks  []Check       `json:"checks,omitempty"`
	HAProxy *ServerHealth `json:"haproxy,omitempty"`
}

// A ServerHealth is the health of one server in HAProxy; lb.ServerHealth documents its fields.
type ServerHealth struct {
	Status string    `json:"status"`
	Check  string    `json:"check,omitempty"`
	Code   int       `json:"code,omitempty"`
	Output string    `json:"output,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// NewFault makes the JSON document of a fault, without its checks.
func NewFault(f lb.Fault) Fault {
	return Fault{ID: f.ID, Node: f.Node, Address: f.Address, Version: f.Version, Reason: f.Problem}
}

func newServerHealth(h lb.ServerHealth) ServerHealth {
	return ServerHealth{Status: h.Status, Check: h.Check, Code: h.Code, Output: h.Output, Since: h.Since}
}

func newChecks(list []lb.Check) []Check {
	out := make([]Check, len(list))
	for i, c := range list {
		out[i] = Check(c)
	}
	return out
}

// NewUnused makes the JSON document of what a backend does not use: the first MaxUnused. It is
// never nil.
func NewUnused(list []lb.UnusedInstance) []UnusedInstance {
	out := make([]UnusedInstance, min(len(list), MaxUnused))
	for i, u := range list[:len(out)] {
		out[i] = UnusedInstance{
			ID: u.ID, Node: u.Node, Address: u.Address, Version: u.Version, Status: u.Status, Kind: string(u.Kind), Reason: u.Reason, Checks: newChecks(u.Checks),
		}
		if h := u.HAProxy; h != nil {
			health := newServerHealth(*h)
			out[i].HAProxy = &health
		}
	}
	return out
}
