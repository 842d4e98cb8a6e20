package client

import (
	"context"
	"crypto/rand"
	"net/http"
	"time"

	"thalassa/cluster"
)

// joinTime is how long an agent may take to join: root bounds each of its waits.
const joinTime = time.Hour

// InviteNodes makes an invitation, whose code is in the answer alone.
func InviteNodes(ctx context.Context, c *Client, i cluster.Inviting) (cluster.Invitation, error) {
	body := map[string]any{"for": i.For.String(), "nodes": i.Nodes}
	var out cluster.Invitation
	a, err := c.transport.do(ctx, call{method: http.MethodPost, path: "/cluster/invitations", body: body, conditions: []Condition{withKey()}, wait: settleTime})
	if err != nil {
		return out, err
	}
	return out, a.decode(&out)
}

// EndInvitation ends the open invitation of the agent's node.
func EndInvitation(ctx context.Context, c *Client) (cluster.Invitation, error) {
	var out cluster.Invitation
	a, err := c.transport.do(ctx, call{method: http.MethodDelete, path: "/cluster/invitations", wait: settleTime})
	if err != nil {
		return out, err
	}
	return out, a.decode(&out)
}

// JoinCluster lets the agent's node join a cluster, and returns when it has joined.
func JoinCluster(ctx context.Context, c *Client, j cluster.Joining) (cluster.Membership, error) {
	body := map[string]any{"code": j.Code}
	if j.Node != "" {
		body["node"] = j.Node
	}
	if len(j.Addresses) > 0 {
		body["addresses"] = j.Addresses
	}
	var out cluster.Membership
	a, err := c.transport.do(ctx, call{method: http.MethodPost, path: "/cluster/join", body: body, conditions: []Condition{withKey()}, wait: joinTime})
	if err != nil {
		return out, err
	}
	return out, a.decode(&out)
}

// withKey has a request carried out once.
func withKey() Condition {
	key := rand.Text()
	return func(h http.Header) { h.Set("Idempotency-Key", key) }
}
