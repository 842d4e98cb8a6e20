package nodes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/corosync"
	"thalassa/lb"
)

// Spares refuses to take a node out of the cluster if the others have no quorum without it and
// those that are on their way down: going, by other jobs, and those on which Pacemaker stops. It
// also refuses where this node does not see the cluster. The error is an *lb.ConflictError.
func (c *Crew) Spares(ctx context.Context, node string, going []string) error {
	v := c.cfg.View()
	if !isRunning(v) {
		return notSeen(node, "ask the agent of a node that is online")
	}
	return keepsQuorum(v, c.cfg.Votes(ctx), node, going)
}

// notSeen refuses the shutdown of one node where the cluster does not run: whether the others keep
// their quorum, only a node can tell that takes part.
func notSeen(node, ask string) error {
	return &lb.ConflictError{ID: "node/" + node, Reason: "this node does not take part in the cluster, and cannot tell whether the others keep their quorum; " +
		ask + ", or shut down the whole cluster (without node)"}
}

// keepsQuorum refuses the shutdown of a node without which the others have no quorum, and stop
// everything or are fenced. Nodes that are going do not count. The last node may go.
func keepsQuorum(v cluster.Status, votes corosync.Votes, node string, going []string) error {
	all := namesOf(v.Members())
	var left, leaving, there []string
	for _, n := range v.Members() {
		if n.IsOnline() {
			there = append(there, n.Name)
		}
		switch {
		case !n.IsOnline() || n.Name == node:
		case n.Leaving || slices.Contains(going, n.Name):
			leaving = append(leaving, n.Name)
		default:
			left = append(left, n.Name)
		}
	}
	if len(left)+len(leaving) == 0 || votes.Quorate(left, there, all) {
		return nil
	}
	without, instead := "it", "shut down the whole cluster (without node) instead"
	if len(leaving) > 0 {
		without += " and " + strings.Join(leaving, ", ") + ", on the way down already,"
		instead = "wait until they are back, or " + instead
	}
	return &lb.ConflictError{ID: "node/" + node, Reason: fmt.Sprintf("without %s %s are left, which have no quorum; %s", without, votes.Left(left, all), instead)}
}
