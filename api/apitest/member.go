package apitest

import (
	"context"

	"thalassa/lb"
)

// SetMember applies a change of a member in memory.
func (n *Node) SetMember(ctx context.Context, c lb.MemberChange) (lb.Member, lb.Applied, error) {
	in, err := n.Intent(ctx)
	if err != nil {
		return lb.Member{}, lb.Applied{}, err
	}
	b, ok := in.Backends[c.Backend]
	if !ok {
		return lb.Member{}, lb.Applied{}, &lb.NotFoundError{ID: lb.Backend{Key: c.Backend}.ID()}
	}
	if err := in.CheckMatch(b.ID(), c.IfMatch); err != nil {
		return lb.Member{}, lb.Applied{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p := lb.Populate(b, n.snapshot)
	m, err := p.FindMember(c.Member, n.snapshot.Overrides)
	if err != nil {
		return m, lb.Applied{}, err
	}
	present, _ := n.snapshot.Overrides.Find(b.Key, m.Given())
	n.snapshot.Overrides = n.snapshot.Overrides.With(c.Override(m.Given(), present))
	n.views.Broadcast()
	shown := lb.ResolvedBackend{Backend: b, Members: []lb.Member{m}}.Overridden(n.snapshot.Overrides)
	return shown.Members[0], lb.Applied{Applied: true, Path: "runtime", Revision: in.Revision}, nil
}

// RestoreMembers asks in memory for what was asked for members before, unless the change
// fails.
func (n *Node) RestoreMembers(_ context.Context, list []lb.Override, wanted lb.Intent, _ lb.Origin, change func() (lb.Applied, error)) ([]lb.Override, lb.Applied, error) {
	n.mu.Lock()
	before := n.snapshot.Overrides
	_, added := before.Restored(list, n.now(), wanted)
	for _, x := range added {
		n.snapshot.Overrides = n.snapshot.Overrides.With(x)
	}
	n.mu.Unlock()
	applied, err := change()
	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		n.snapshot.Overrides = before
		return nil, applied, err
	}
	n.views.Broadcast()
	return added, applied, nil
}
