package agent

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"

	"thalassa/lb"
	"thalassa/plan"
)

// An earlierRun is what HAProxy still has from an earlier run of the agent. Its methods
// may be called from any goroutine.
type earlierRun struct {
	cfg      *Config
	inputs   *inputs
	renderer *renderer
	inStep   *latch
}

// members finds, in HAProxy, the members of backends whose service Consul has not
// answered about since the agent started. A HAProxy that is adopted, or started with the
// file of an earlier run, keeps them until Consul answers. The error names the services
// whose members cannot be read from HAProxy. After the first round there are none to
// inherit.
func (e *earlierRun) members(ctx context.Context, in lb.Intent, snap lb.Snapshot) (map[lb.Name][]lb.Member, error) {
	unknown := unanswered(in, snap)
	if len(unknown) == 0 || e.inStep.isSet() || !e.serves(ctx) {
		return nil, nil
	}
	state, err := e.cfg.HAProxy.State(ctx)
	if err != nil || !state.Answers {
		return nil, keepsUntil(unknown)
	}
	servers, err := e.cfg.Runtime.Servers(ctx)
	if err != nil {
		return nil, keepsUntil(unknown)
	}
	kept, waiting := map[lb.Name][]lb.Member{}, []lb.Name{}
	slots := plan.SlotsIn(servers)
	for _, b := range in.SortedBackends() {
		if b.Type != "dynamic" || !slices.Contains(unknown, b.Service) {
			continue
		}
		for _, slot := range slots[b.Key] {
			if m := slot.Member; m != nil && e.inputs.control().Refusal(m.Address) == "" {
				m.Service = b.Service
				kept[b.Key] = append(kept[b.Key], *m)
			}
		}
		if found := kept[b.Key]; len(found) > 0 {
			kept[b.Key] = b.Transport.TLS.Respeak(found)
		}
		there := slices.ContainsFunc(servers, func(s lb.ServerState) bool { return s.Backend == b.Key })
		if there && slots[b.Key] == nil && !slices.Contains(waiting, b.Service) { // members with host names have no slots
			waiting = append(waiting, b.Service)
		}
	}
	if len(waiting) > 0 {
		return nil, keepsUntil(waiting)
	}
	return kept, nil
}

// guard refuses a target that takes from HAProxy what an earlier agent has given it while
// nothing is stored: the database is lost or elsewhere then, and nobody has asked to
// serve nothing.
func (e *earlierRun) guard(ctx context.Context, t target) error {
	if t.intent.Revision > 0 || e.cfg.Drops == nil || e.inStep.isSet() {
		return nil
	}
	rendered, err := e.renderer.of(t.template, t.config)
	if err != nil {
		return err
	}
	drops, err := e.cfg.Drops(rendered.Bytes)
	if err != nil || !drops {
		return err
	}
	e.serves(ctx) // starts it where it does not run
	return &lb.UnavailableError{What: "nothing is stored, as after the loss of the database, and HAProxy keeps the configuration of an earlier run " +
		"until the database is back, the persistence file is imported, or something is asked for"}
}

func keepsUntil(services []lb.Name) error {
	names := make([]string, len(services))
	for i, n := range services {
		names[i] = string(n)
	}
	return &lb.UnavailableError{What: "HAProxy keeps the members it has until Consul has answered about " + strings.Join(names, ", ")}
}

// inheritMembers gives backends the members that HAProxy has, and slots for them.
func inheritMembers(c lb.Config, members map[lb.Name][]lb.Member) lb.Config {
	if len(members) == 0 {
		return c
	}
	c.Backends = slices.Clone(c.Backends)
	for i, p := range c.Backends {
		if kept := members[p.Key]; kept != nil {
			c.Backends[i].Members = kept
		}
	}
	return plan.Layout(nil, c)
}

// serves reports whether HAProxy runs with members of an earlier run, or may do so. It
// starts HAProxy where it does not run.
func (e *earlierRun) serves(ctx context.Context) bool {
	state, err := e.cfg.HAProxy.State(ctx)
	if err != nil {
		return true
	}
	if state.Running || e.cfg.Resume == nil {
		return state.Running
	}
	err = e.cfg.Resume(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		e.cfg.Logger.WarnContext(ctx, "haproxy not started with the configuration of the last run", "error", err)
	}
	return err == nil
}
