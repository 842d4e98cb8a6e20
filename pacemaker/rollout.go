package pacemaker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
)

// A Rollout makes HAProxy load the configuration on disk, on all nodes.
type Rollout struct {
	Resource string        // haproxy
	Validate time.Duration // time limit for the answers of the agents (15 s)
	Wait     time.Duration // time limit for the cluster to settle (2 min)
	// Restart allows restarts of HAProxy on nodes where Pacemaker cannot reload it.
	Restart bool
}

// RolledOut is the result of a rollout, and the state after it.
type RolledOut struct {
	cluster.RolledOut

	Cluster cluster.Status `json:"cluster,omitzero"`
}

// Rollout asks the agent of every running node that may run HAProxy to validate its
// configuration. Then it increases the resource's parameter "generation", and Pacemaker
// reloads HAProxy wherever it runs. It changes nothing if a node refuses (*cluster.RolloutRefusedError), or if
// Pacemaker would restart HAProxy instead (*lb.ConflictError). If a reload fails, it
// restores the previous generation, and the error is an *lb.ConflictError.
func (c *Cluster) Rollout(ctx context.Context, r Rollout) (RolledOut, error) {
	if err := c.checkLive(cluster.Action{Kind: "rollout"}); err != nil {
		return RolledOut{}, err
	}
	r = r.withDefaults()
	cib, err := c.Query(ctx)
	if err != nil {
		return RolledOut{}, err
	}
	before, err := c.View(ctx, cib)
	if err != nil {
		return RolledOut{}, err
	}
	out := RolledOut{Cluster: before, RolledOut: cluster.RolledOut{Nodes: []cluster.NodeAnswer{}, Reloaded: []string{}}}
	if out.From, err = cib.generation(r.Resource); err != nil {
		return out, err
	}
	out.To = out.From
	number, _ := strconv.Atoi(out.From) // generation returns only numbers
	next := strconv.Itoa(number + 1)
	a := reloading{cluster: c, Rollout: r}
	if a.where, err = a.predict(ctx, cib, next); err != nil {
		return out, err
	}
	mayRun, err := c.mayRun(ctx, cib, r.Resource)
	if err != nil {
		return out, err
	}
	q := question{ask: askAttribute, answer: answerAttribute, nodes: askable(before, mayRun), within: r.Validate}
	defer c.forget(context.WithoutCancel(ctx), q) // last, because it costs the nodes time during the reload
	if out.Nodes, err = c.askNodes(ctx, q); err != nil {
		return out, err
	}
	if err := refusal(out.RolledOut, next); err != nil {
		return out, err
	}
	after, err := a.reload(ctx, next, &out)
	bad := failedSince(before, after, r.Resource)
	if err == nil && len(bad) == 0 {
		out.Cluster, out.To = after, next
		return out, nil
	}
	return out, a.revert(ctx, &out, bad, err)
}

func (r Rollout) withDefaults() Rollout {
	if r.Resource == "" {
		r.Resource = "haproxy"
	}
	if r.Validate <= 0 {
		r.Validate = 15 * time.Second
	}
	if r.Wait <= 0 {
		r.Wait = settleWithin
	}
	return r
}

// revert restores the previous generation, and returns the error of the rollout.
func (a reloading) revert(ctx context.Context, out *RolledOut, bad []string, err error) error {
	var second RolledOut
	back, undo := a.reload(context.WithoutCancel(ctx), out.From, &second)
	if back.Nodes != nil {
		out.Cluster = back
	}
	reason := strings.Join(bad, "; ")
	if err != nil {
		reason = strings.TrimPrefix(reason+"; "+err.Error(), "; ")
	}
	if undo != nil {
		return fmt.Errorf("reverting to generation %s after %s: %w", out.From, reason, undo)
	}
	return &lb.ConflictError{ID: "resource/" + a.Resource, Reason: "the reload failed, reverted to generation " + out.From + ": " + reason}
}

// generation returns the parameter "generation" of a resource.
func (c *CIB) generation(resource string) (string, error) {
	for _, p := range c.primitives() {
		if p.Attr("id") != resource {
			continue
		}
		g := p.Pair("instance_attributes", "generation")
		if g == "" {
			g = "0"
		}
		if _, err := strconv.Atoi(g); err != nil {
			return "", &lb.ConflictError{ID: "resource/" + resource, Reason: "its generation is " + strconv.Quote(g) + ", not a number"}
		}
		return g, nil
	}
	return "", &lb.NotFoundError{ID: "resource/" + resource}
}

// failedSince returns the new failures of a resource.
func failedSince(before, after cluster.Status, resource string) []string {
	var out []string
	for _, f := range after.Failures {
		old := slices.ContainsFunc(before.Failures, func(o cluster.Failure) bool {
			return o.Node == f.Node && o.Resource == f.Resource && o.Operation == f.Operation && o.Call == f.Call
		})
		if f.Resource == resource && !old {
			out = append(out, fmt.Sprintf("%s on %s: %s", f.Operation, f.Node, failureReason(f)))
		}
	}
	return out
}

// refusal returns a *cluster.RolloutRefusedError if a node has refused a generation.
func refusal(r cluster.RolledOut, planned string) error {
	var lines []string
	for _, a := range r.Nodes {
		if !a.Valid {
			lines = append(lines, a.Node+": "+a.Reason)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	r.Planned = planned
	return &cluster.RolloutRefusedError{
		Rollout: *r.Bounded(), Cause: &lb.RefusedError{At: "check", Output: "nothing has changed\n" + strings.Join(lines, "\n")},
	}
}

// askable returns the running nodes among those that may run HAProxy; nil: all may.
func askable(v cluster.Status, mayRun []string) []string {
	var nodes []string
	for _, n := range v.Nodes {
		if n.State == "offline" || n.State == "unclean" || n.State == "pending" || mayRun != nil && !slices.Contains(mayRun, n.Name) {
			continue
		}
		nodes = append(nodes, n.Name)
	}
	return nodes
}
