package agent

import (
	"cmp"
	"context"
	"fmt"
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
		Revision: in.Revision, Discovery: lb.ServiceStatuses(in, a.Snapshot()),
	}
	s.Empty = emptyBackends(in, a.Snapshot(), a.current.Load(), nil)
	unresolved, warnings := a.unresolved.tell(in, a.current.Load().pools(nil))
	s.Empty = append(s.Empty, unresolved...)
	slices.SortFunc(s.Empty, func(a, b lb.EmptyBackend) int { return cmp.Compare(a.ID, b.ID) })
	last := a.outcomes.latest()
	s.Warnings = slices.Concat(a.warnings.current(), a.lines.current(), a.persister.copy.importer.warnings(), warnings, a.local.ofAll(in), a.cfg.certificateWarnings(in), in.TLSWarnings())
	for _, problem := range []func() string{a.cfg.LogProblem, a.cfg.StoreProblem} {
		if problem == nil {
			continue
		}
		if text := problem(); text != "" {
			s.Warnings = append(s.Warnings, text)
		}
	}
	if a.cfg.Notices != nil {
		s.Warnings = append(s.Warnings, a.cfg.Notices()...)
	}
	s.InEffect = last.inEffect
	switch {
	case last.err != nil:
		s.Problem = fmt.Sprintf("revision %d is not in effect: %v", last.revision, last.err)
	case !a.inStep.isSet():
		s.Problem = "the agent has just started and has not looked at HAProxy yet"
	default:
		s.Problem = a.persister.file.problem()
	}
	state, err := a.cfg.HAProxy.State(ctx)
	if err != nil {
		s.Problem = "asking HAProxy: " + err.Error()
	}
	s.HAProxy = lb.HAProxyStatus{
		Running: state.Running, Version: state.Version, MasterPID: state.MasterPID, WorkerPID: state.WorkerPID,
		Reloads: state.Reloads, OldWorkers: state.OldWorkers, Idle: a.cfg.MayBeIdle && !state.Running,
		Lost: state.Lost,
	}
	return s, nil
}
