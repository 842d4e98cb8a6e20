package apitest

import (
	"context"
	"slices"
	"sync"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
)

// InvitationCode is the code of each invitation of ClusterMembers.
const InvitationCode = "GG60008-4W8QGSECRET"

// ClusterMembers stands in for the membership of a node. Off is why it is refused; nil: it is not.
type ClusterMembers struct {
	Off error
	// NoCode: the node of an earlier invitation has joined meanwhile.
	NoCode bool

	mu   sync.Mutex
	open *cluster.Invitation
	key  string
	held chan struct{} // joins wait until it is closed; nil: they do not
	// Joins are those that were asked for.
	Joins []cluster.Joining
}

// Invite opens an invitation.
func (m *ClusterMembers) Invite(_ context.Context, i cluster.Inviting, o cluster.Order) (cluster.Invitation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Off != nil {
		return cluster.Invitation{}, m.Off
	}
	if m.NoCode {
		return cluster.Invitation{Node: "n1", Nodes: i.Nodes, State: cluster.InvitationDone, Result: "there is no code: it has joined", Steps: []cluster.MembershipStep{}}, nil
	}
	if m.open != nil {
		if o.Key == "" || o.Key != m.key {
			return cluster.Invitation{}, &lb.ConflictError{ID: "invitation", Reason: "one is open"}
		}
		return *m.open, nil
	}
	m.open, m.key = &cluster.Invitation{
		Node: "n1", Author: o.Author, Nodes: i.Nodes, Expires: time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC).Add(i.For), State: cluster.InvitationOpen,
		Steps: []cluster.MembershipStep{{Node: "n1", Step: "code", State: "waiting", Text: "waiting for 1 more node"}},
	}, o.Key
	out := *m.open
	out.Code = InvitationCode
	return out, nil
}

// Invitations are the open one.
func (m *ClusterMembers) Invitations() []cluster.Invitation {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil {
		return nil
	}
	return []cluster.Invitation{*m.open}
}

// Step adds one that is done to the open invitation.
func (m *ClusterMembers) Step(node, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open.Steps = append(m.open.Steps, cluster.MembershipStep{Node: node, Step: "member", State: "done", Text: text})
}

// EndInvitation ends it.
func (m *ClusterMembers) EndInvitation(context.Context) (cluster.Invitation, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil {
		return cluster.Invitation{}, &lb.NotFoundError{ID: "invitation"}
	}
	out := *m.open
	out.State, m.open = cluster.InvitationEnded, nil
	return out, nil
}

// Join notes a join.
func (m *ClusterMembers) Join(ctx context.Context, j cluster.Joining, _ cluster.Order) (cluster.Membership, error) {
	m.mu.Lock()
	held := m.held
	m.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return cluster.Membership{}, ctx.Err()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.Off != nil {
		return cluster.Membership{}, m.Off
	}
	m.Joins = append(m.Joins, j)
	return cluster.Membership{Node: j.Node, Steps: []cluster.MembershipStep{{Node: j.Node, Step: "member", State: "done", Text: "wait until the node is online and has quorum"}}}, nil
}

// Hold lets joins wait until release is called, which is done once.
func (m *ClusterMembers) Hold() (release func()) {
	held := make(chan struct{})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = held
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.held = nil
		close(held)
	}
}

// Refuse sets Off, also while requests come.
func (m *ClusterMembers) Refuse(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.Off = err
}

// Asked are the joins that were asked for, also while requests come.
func (m *ClusterMembers) Asked() []cluster.Joining {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.Joins)
}
