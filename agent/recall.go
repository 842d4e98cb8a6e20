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

// recall finds the members of those backends whose service nothing is known of
// since the agent started: a HAProxy adopted from an earlier run, or started
// again with the file of that, keeps them until Consul answers. The error says
// which services have to be waited for, because their backends' members cannot
// be told from HAProxy. After the first round there is nothing to recall.
func (a *Agent) recall(ctx context.Context, in lb.Intent, snap lb.Snapshot) (map[lb.Name][]lb.Member, error) {
	unknown := unanswered(in, snap)
	if len(unknown) == 0 || a.wasInStep() || !a.keepsMembers(ctx) {
		return nil, nil
	}
	state, err := a.cfg.HAProxy.State(ctx)
	if err != nil || !state.Answers {
		return nil, keepsUntil(unknown)
	}
	servers, err := a.cfg.Runtime.Servers(ctx)
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
			if m := slot.Member; m != nil && a.control().Refusal(m.Address) == "" {
				m.Service = b.Service
				kept[b.Key] = append(kept[b.Key], *m)
			}
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

// keepInherited refuses to take from HAProxy what an earlier agent has given it
// when nothing was ever asked for: the database is lost then, or is not where it
// was, which is no wish to serve nothing.
func (a *Agent) keepInherited(ctx context.Context, t target) error {
	if t.intent.Revision > 0 || a.cfg.Drops == nil || a.wasInStep() {
		return nil
	}
	rendered, err := t.template.Render(t.config)
	if err != nil {
		return err
	}
	drops, err := a.cfg.Drops(rendered.Bytes)
	if err != nil || !drops {
		return err
	}
	a.keepsMembers(ctx) // starts it where it does not run
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

// recalled gives backends the members that HAProxy has, and room for them.
func recalled(c lb.Config, members map[lb.Name][]lb.Member) lb.Config {
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

// keepsMembers reports whether HAProxy runs with members of an earlier run, or
// may do so.
func (a *Agent) keepsMembers(ctx context.Context) bool {
	state, err := a.cfg.HAProxy.State(ctx)
	if err != nil {
		return true
	}
	if state.Running || a.cfg.Resume == nil {
		return state.Running
	}
	err = a.cfg.Resume(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		a.cfg.Logger.WarnContext(ctx, "haproxy not started with the configuration of the last run", "error", err)
	}
	return err == nil
}
