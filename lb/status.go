package lb

import (
	"maps"
	"slices"
	"time"
)

// A Status is the agent's view of itself, of HAProxy and of Consul at one
// moment.
type Status struct {
	Version string // of the agent
	Label   string
	Started time.Time
	// Revision stored, and the one whose configuration HAProxy runs.
	Revision uint64
	InEffect uint64
	// Problem says why the newest configuration is not in effect; empty when it
	// is.
	Problem string
	// Warnings are sentences, e.g. about members that HAProxy does not get because their addresses
	// administer this node, and about raw lines that stay in effect and would be refused now. They
	// are bounded. They do not make the agent unready.
	Warnings []string
	// Empty are the backends without members, or with none whose host name resolves, by key. They do not make the agent unready.
	Empty     []EmptyBackend
	HAProxy   HAProxyStatus
	Discovery []ServiceStatus // sorted by service
}

// HAProxyStatus is the state of the HAProxy that the agent manages.
type HAProxyStatus struct {
	Running bool
	// Idle: it does not run here, because Pacemaker runs it elsewhere.
	Idle       bool
	Version    string
	MasterPID  int
	WorkerPID  int
	Reloads    int
	OldWorkers int // still ending after a reload
	// Lost says which of its sockets do not lead to it any more. The agent uses the others, and
	// reloads HAProxy to restore them.
	Lost string
}

// ServiceStatus is the state of one watched service.
type ServiceStatus struct {
	Service Name
	// Known is false until Consul has answered for the first time.
	Known    bool
	Seen     time.Time
	Stale    string // why the answer is missing or not confirmed
	Versions []VersionCount
	// Hold says which instances are kept against Consul's word; nil: none.
	Hold *Hold
	// Unusable are the registrations that are not valid.
	Unusable []Fault
	Page     string // see Service
}

// ServiceStatuses returns the state of every service that the intent needs or the snapshot has,
// sorted by service.
func ServiceStatuses(in Intent, snap Snapshot) []ServiceStatus {
	names := map[Name]bool{}
	for _, n := range in.Services() {
		names[n] = true
	}
	for n := range snap.Services {
		names[n] = true
	}
	out := make([]ServiceStatus, 0, len(names))
	for _, n := range slices.Sorted(maps.Keys(names)) {
		s, known := snap.Services[n]
		status := ServiceStatus{Service: n, Known: known, Seen: s.Seen, Stale: s.Stale, Versions: s.Versions(), Hold: s.Hold, Unusable: s.Unusable(), Page: s.Page}
		if !known {
			status.Stale = snap.Unanswered[n]
		}
		out = append(out, status)
	}
	return out
}

// Stale lists the services that Consul does not answer for, with the reasons.
func (s Status) Stale() []string {
	var stale []string
	for _, d := range s.Discovery {
		if d.Stale != "" {
			stale = append(stale, string(d.Service)+": "+d.Stale)
		}
	}
	return stale
}

// Ready reports whether HAProxy runs what was asked for. Otherwise the reasons are sentences.
func (s Status) Ready() (bool, []string) {
	var reasons []string
	if !s.HAProxy.Running && !s.HAProxy.Idle {
		reasons = append(reasons, "HAProxy is not running")
	}
	if s.Problem != "" {
		reasons = append(reasons, s.Problem)
	}
	return len(reasons) == 0, reasons
}
