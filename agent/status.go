package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"thalassa/lb"
)

// Status is the agent's view of itself, HAProxy and Consul now. It fails only
// when the store cannot be read.
func (a *Agent) Status(ctx context.Context) (lb.Status, error) {
	in, err := a.Intent(ctx)
	if err != nil {
		return lb.Status{}, err
	}
	s := lb.Status{
		Version: a.cfg.Version, Label: a.cfg.Label, Started: a.started,
		Revision: in.Revision, Discovery: services(in, a.Snapshot()),
	}
	last := a.lastOutcome()
	s.InEffect = last.inEffect
	if last.err != nil {
		s.Problem = fmt.Sprintf("revision %d is not in effect: %v", last.revision, last.err)
	}
	state, err := a.cfg.HAProxy.State(ctx)
	if err != nil {
		s.Problem = "asking HAProxy: " + err.Error()
	}
	s.HAProxy = lb.HAProxyStatus{
		Running: state.Running, Version: state.Version, MasterPID: state.MasterPID, WorkerPID: state.WorkerPID,
		Reloads: state.Reloads, OldWorkers: state.OldWorkers,
	}
	return s, nil
}

// services lists what is watched, and what is not answered for yet.
func services(in lb.Intent, snap lb.Snapshot) []lb.ServiceStatus {
	names := map[lb.Name]bool{}
	for _, n := range in.Services() {
		names[n] = true
	}
	for n := range snap.Services {
		names[n] = true
	}
	out := make([]lb.ServiceStatus, 0, len(names))
	for _, n := range slices.Sorted(maps.Keys(names)) {
		s, known := snap.Services[n]
		out = append(out, lb.ServiceStatus{Service: n, Known: known, Seen: s.Seen, Stale: s.Stale, Versions: s.Versions()})
	}
	return out
}
