package pacemaker

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/lb"
)

// moveLifetime limits the constraint of a move, in case nobody removes it.
const moveLifetime = "PT10M"

// clearMove removes the constraint of a move to a node. Without the node, it would
// also remove bans from other nodes, which operators have set.
func clearMove(resource, node string) call {
	return call{tool: "crm_resource", args: []string{"--clear", "-r", resource, "-N", node}}
}

// clearMoves ends a move.
func clearMoves(v cluster.Status, a cluster.Action) (calls []call) {
	for _, r := range movable(v, a.Resource) {
		calls = append(calls, clearMove(r, a.Node))
	}
	return calls
}

// predictMove foretells a move. It is an error if Pacemaker would move the resource back as soon
// as the constraint of the move is gone.
func predictMove(ctx context.Context, c *Cluster, cib *CIB, now cluster.Status, a cluster.Action) (cluster.Consequences, error) {
	begun, err := c.onFile(ctx, cib, steps(cib, now, a))
	if err != nil {
		return cluster.Consequences{}, fmt.Errorf("simulating: %w", err)
	}
	all := movable(now, a.Resource)
	seen, err := predictInTurn(ctx, c, begun, clearMoves(now, a), func(v cluster.Status) error { return checkReachable(v, a, all) })
	if err == nil && checkReachable(seen.After, a, all) != nil {
		err = &lb.ConflictError{ID: "node/" + a.Node, Reason: strings.Join(all, ", ") + " would move there and back again: " + leaves}
	}
	return seen, err
}

// leaves says why a resource leaves a node after a move.
const leaves = "the scores of other nodes are greater than its stickiness (resource-stickiness)"

// movable returns the resources to move: the named one, or those with the floating IPs of
// HAProxy. Those of other services stay.
func movable(v cluster.Status, resource string) []string {
	if resource != "" {
		return []string{resource}
	}
	var out []string
	for _, r := range v.Resources {
		if !slices.ContainsFunc(v.FloatingIPs, func(ip cluster.FloatingIP) bool { return ip.HAProxy && ip.Resource == r.ID }) {
			continue
		}
		id := r.ID
		if r.In != "" {
			id = r.In
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// toMove returns those of the resources to move that are not all on the node.
func toMove(v cluster.Status, a cluster.Action) []string {
	return slices.DeleteFunc(movable(v, a.Resource), func(id string) bool { return checkReachable(v, a, []string{id}) == nil })
}

// stays reports whether a move has nothing to do: everything is on the node, and Pacemaker
// leaves it there.
func (c *Cluster) stays(ctx context.Context, cib *CIB, now cluster.Status, a cluster.Action) (bool, cluster.Consequences, error) {
	all := movable(now, a.Resource)
	if len(all) == 0 || len(toMove(now, a)) > 0 {
		return false, cluster.Consequences{}, nil
	}
	seen, err := c.predict(ctx, cib)
	if err != nil || checkReachable(seen.After, a, all) != nil {
		return false, seen, err
	}
	seen.Text = append([]string{strings.Join(all, ", ") + " is already on " + a.Node}, seen.Text...)
	return true, seen, nil
}

// checkReachable reports a resource that is not on the node after a move.
func checkReachable(v cluster.Status, a cluster.Action, list []string) error {
	for _, r := range v.Resources {
		if !slices.Contains(list, r.ID) && !slices.Contains(list, r.In) {
			continue
		}
		if !slices.Contains(r.Nodes(), a.Node) {
			return &lb.ConflictError{ID: "node/" + a.Node, Reason: r.ID + " cannot run there now; see thalassa cluster status"}
		}
	}
	return nil
}
