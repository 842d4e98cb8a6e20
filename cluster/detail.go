package cluster

import "time"

// A Ticket allows resources to run on one of several sites.
type Ticket struct {
	ID      string `json:"id"`
	Granted bool   `json:"granted"`
	Standby bool   `json:"standby"`
}

// A Ban is a location constraint that keeps a resource off a node.
type Ban struct {
	ID       string `json:"id"` // of the constraint
	Resource string `json:"resource"`
	Node     string `json:"node"`
	Score    string `json:"score"` // negative: -INFINITY to -1
	// PromotedOnly: the resource may run there, but not be promoted.
	PromotedOnly bool `json:"promotedOnly"`
}

// A FailCount is how often a resource failed on a node.
type FailCount struct {
	Resource string `json:"resource"`
	Node     string `json:"node"`
	Count    int    `json:"count"` // 1000000: INFINITY
	// Threshold is the resource's migration-threshold: from that count on, the
	// resource may not run on the node. 1000000: INFINITY.
	Threshold int `json:"threshold"`
}

// A FenceEvent is a fencing action that was tried.
type FenceEvent struct {
	Node   string `json:"node"`   // the target
	Action string `json:"action"` // reboot, off, on
	Status string `json:"status"` // success, failed, pending
	Device string `json:"device"` // the node whose device did it; empty: unknown
	Reason string `json:"reason"` // of a failure
	// Time is when it ended; zero: it has not, or the time is unknown.
	Time time.Time `json:"time"`
}
