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

// maxTries is how often a write of a rollout is computed again because somebody else has changed
// the configuration meanwhile.
const maxTries = 10

// Rollout asks the agent of every running node that may run HAProxy to validate its
// configuration. Then it increases the resource's parameter "generation", and Pacemaker
// reloads HAProxy wherever it runs. It changes nothing if a node refuses (*cluster.RolloutRefusedError), if
// Pacemaker would restart HAProxy instead (*lb.ConflictError), or if the plan is not that of
// a.IfMatch (*cluster.PlanChangedError): the generation is written into the configuration from
// which the plan was made, and into no other. If a reload fails, it restores the previous
// generation, and the error is an *lb.ConflictError. If the generation cannot be written, the error
// is the reason of that.
func (c *Cluster) Rollout(ctx context.Context, a cluster.Action) (RolledOut, error) {
	s := Steps{c}
	st, tried, err := s.writeRollout(ctx, Stage{Action: a})
	switch {
	case err != nil && !tried:
		return st.rolledOut(), err
	case err != nil: // Pacemaker may have taken it nevertheless
		return s.revert(context.WithoutCancel(ctx), a, st.rolledOut(), err, false)
	}
	v, _, err := s.SettleHAProxy(ctx, Stage{Action: a, Was: st.Was}, &st, time.Time{})
	out := st.rolledOut()
	if v.State != "" {
		out.Cluster = v
	}
	if err == nil {
		return out, nil
	}
	return s.revert(context.WithoutCancel(ctx), a, out, err, true)
}

// rolledOut is what is known of the rollout before its write, or after it has settled.
func (st Step) rolledOut() RolledOut {
	if st.Rollout == nil {
		return RolledOut{}
	}
	return RolledOut{RolledOut: *st.Rollout, Cluster: st.Before}
}

// writeRollout makes a write of a rollout. If somebody else has changed the configuration
// meanwhile, the write is computed again, which also asks the nodes again. tried: the error is one
// of the write, which may have been made.
func (s Steps) writeRollout(ctx context.Context, g Stage) (st Step, tried bool, err error) {
	for try := 1; ; try++ {
		if st, err = s.Plan(ctx, g); err == nil {
			err = ctx.Err()
		}
		if err != nil || st.Nothing {
			return st, false, err
		}
		if err = s.Write(context.WithoutCancel(ctx), st, ""); !IsStale(err) {
			return st, err != nil, err
		}
		if try == maxTries {
			return st, false, err
		}
	}
}

// revert restores the generation from before a rollout that has failed with cause, and returns the
// error of the rollout. written: it is known that its write was made. If it is not, and was not made
// either, the error is cause.
func (s Steps) revert(ctx context.Context, a cluster.Action, out RolledOut, cause error, written bool) (RolledOut, error) {
	g := Stage{Action: a, Was: out.From, Undo: true}
	st, _, err := s.writeRollout(ctx, g)
	if err == nil && st.Nothing && !written {
		return out, fmt.Errorf("%w; nothing was changed", cause)
	}
	if err == nil {
		var v cluster.Status
		if v, _, err = s.SettleHAProxy(ctx, g, &st, time.Time{}); v.State != "" {
			out.Cluster = v
		}
	}
	if err != nil {
		return out, fmt.Errorf("reverting to generation %s after %w: %w", out.From, cause, err)
	}
	out.To = out.From
	return out, &lb.ConflictError{ID: a.Object(), Reason: strings.TrimPrefix(cause.Error(), a.Object()+": ") + "; reverted to generation " + out.From}
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
