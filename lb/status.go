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
	// Warnings are sentences: what HAProxy does not get of what was asked for, or is in
	// Consul, because it leads to an address that administers this node; and raw lines
	// that stay in effect and would be refused now. At most 100 of each. They do not make
	// the agent unready.
	Warnings []string
	// Empty are the backends without members, or with none whose host name resolves, by key. They do not make the agent unready.
	Empty     []EmptyBackend
	HAProxy   HAProxyStatus
	Discovery []ServiceStatus // sorted by service
}

// HAProxyStatus is the state of the HAProxy that the agent looks after.
type HAProxyStatus struct {
	Running bool
	// Idle: it does not run, and need not: Pacemaker has it run elsewhere.
	Idle       bool
	Version    string
	MasterPID  int
	WorkerPID  int
	Reloads    int
	OldWorkers int // still ending after a reload
	// Lost says which of its sockets do not lead to it any more; HAProxy is asked by those
	// that are left, and reloaded to have them back.
	Lost string
}

// ServiceStatus is what is known of one watched service.
type ServiceStatus struct {
	Service Name
	// Known is false until Consul has answered for the first time.
	Known    bool
	Seen     time.Time
	Stale    string // why the answer is not confirmed, or is not there
	Versions []VersionCount
	// Hold says which instances are kept against Consul's word; nil: none.
	Hold *Hold
	// Unusable are the registrations that are not valid.
	Unusable []Fault
	Page     string // see Service
}

// ServiceStatuses says what is known of every service that the intent needs or
// the snapshot has, sorted by service.
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

// Stale lists the services that Consul does not answer for, with its reasons.
func (s Status) Stale() []string {
	var stale []string
	for _, d := range s.Discovery {
		if d.Stale != "" {
			stale = append(stale, string(d.Service)+": "+d.Stale)
		}
	}
	return stale
}

// Ready says whether the agent does its work: HAProxy runs what was asked for.
// The reasons are sentences, empty when it is ready.
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
