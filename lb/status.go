package lb

import (
	"maps"
	"slices"
	"time"
)

// A Status is the agent's view of itself, of HAProxy and of Consul at one
// moment.
type Status struct {
	Version string    `json:"version"` // of the agent
	Label   string    `json:"label,omitempty"`
	Started time.Time `json:"started"`
	// Revision stored, and the one whose configuration HAProxy runs.
	Revision uint64 `json:"revision"`
	InEffect uint64 `json:"inEffect"`
	// Problem says why the newest configuration is not in effect; empty when it
	// is.
	Problem string `json:"problem,omitempty"`
	// Warnings are sentences: what HAProxy does not get of what was asked for, or is in
	// Consul, because it leads to an address that administers this node; and raw lines
	// that stay in effect and would be refused now. At most 100 of each. They do not make
	// the agent unready.
	Warnings  []string        `json:"warnings,omitempty"`
	HAProxy   HAProxyStatus   `json:"haproxy"`
	Discovery []ServiceStatus `json:"discovery"` // sorted by service
}

// HAProxyStatus is the state of the HAProxy that the agent looks after.
type HAProxyStatus struct {
	Running bool `json:"running"`
	// Idle: it does not run, and need not: Pacemaker has it run elsewhere.
	Idle       bool   `json:"idle,omitempty"`
	Version    string `json:"version,omitempty"`
	MasterPID  int    `json:"masterPid,omitempty"`
	WorkerPID  int    `json:"workerPid,omitempty"`
	Reloads    int    `json:"reloads"`
	OldWorkers int    `json:"oldWorkers"` // still ending after a reload
	// Lost says which of its sockets do not lead to it any more; HAProxy is asked by those
	// that are left, and reloaded to have them back.
	Lost string `json:"lost,omitempty"`
}

// ServiceStatus is what is known of one watched service.
type ServiceStatus struct {
	Service Name `json:"service"`
	// Known is false until Consul has answered for the first time.
	Known    bool           `json:"known"`
	Seen     time.Time      `json:"seen,omitzero"`
	Stale    string         `json:"stale,omitempty"` // why the answer is not confirmed, or is not there
	Versions []VersionCount `json:"versions"`
	// Hold says which instances are kept against Consul's word; nil: none.
	Hold *Hold `json:"hold,omitempty"`
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
		status := ServiceStatus{Service: n, Known: known, Seen: s.Seen, Stale: s.Stale, Versions: s.Versions(), Hold: s.Hold}
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
