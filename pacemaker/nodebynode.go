package pacemaker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// planNodeByNode decides whether HAProxy restarts node by node. It does if it runs on
// several nodes before and after the change, and restarts because of its parameters.
// Otherwise a restart on several nodes is a warning.
func (c *Cluster) planNodeByNode(ctx context.Context, p *Plan) error {
	restarts := restartsOf(p.Consequences, p.haproxy)
	if len(restarts) < 2 {
		return nil
	}
	atOnce := "HAProxy restarts on " + strings.Join(restarts, ", ") + " at once"
	order, err := c.restartOrder(ctx, p, restarts)
	if err != nil {
		return err
	}
	first, err := p.upTo(order[:1])
	if err != nil {
		p.Warnings = append(p.Warnings, atOnce)
		return nil //nolint:nilerr // it is not possible, for example with another topology
	}
	seen, err := c.predict(ctx, first)
	if err != nil {
		return err
	}
	if !slices.Equal(restartsOf(seen, p.haproxy), order[:1]) {
		p.Warnings = append(p.Warnings, atOnce)
		return nil
	}
	p.NodeByNode = order
	return nil
}

// restartsOf lists the nodes where a resource restarts, sorted.
func restartsOf(c cluster.Consequences, resource string) []string {
	var nodes []string
	for _, a := range c.Actions {
		if a.Resource == resource && a.Action == "restart" {
			nodes = append(nodes, a.Node)
		}
	}
	slices.Sort(nodes)
	return slices.Compact(nodes)
}

// restartOrder lists nodes with those last that have floating IPs.
func (c *Cluster) restartOrder(ctx context.Context, p *Plan, nodes []string) ([]string, error) {
	v, err := c.View(ctx, p.from)
	if err != nil {
		return nil, err
	}
	holds := func(node string) bool {
		return slices.ContainsFunc(v.FloatingIPs, func(ip cluster.FloatingIP) bool { return ip.HAProxy && slices.Contains(ip.Nodes, node) })
	}
	var first, last []string
	for _, n := range nodes {
		if holds(n) {
			last = append(last, n)
		} else {
			first = append(first, n)
		}
	}
	return append(first, last...), nil
}

// upTo returns the CIB in which only these nodes have the new parameters of HAProxy. The
// others keep theirs: each set of parameters has a rule that names its nodes.
func (p *Plan) upTo(nodes []string) (*CIB, error) {
	return p.from.next(func(configuration *cibxml.Element) error {
		*configuration = *p.to.root.Child("configuration").Clone()
		resources := configuration.Child("resources")
		was, is := p.from.root.Child("configuration", "resources"), resources.ByID(p.haproxy)
		old := was.ByID(p.haproxy)
		if old == nil || is == nil || old.Name != "primitive" || config.AgentOf(was, old) != config.AgentOf(resources, is) {
			return errors.New("HAProxy is not the same resource as before")
		}
		set := is.Child("instance_attributes")
		if set == nil {
			return errors.New("HAProxy has no parameters")
		}
		i := slices.Index(is.Children, set)
		is.Children = slices.Replace(is.Children, i, i+1,
			setFor(p.haproxy, "new", "eq", nodes, config.ParametersOf(resources, is)),
			setFor(p.haproxy, "old", "ne", nodes, config.ParametersOf(was, old)))
		return nil
	})
}

// setFor is a set of parameters for some nodes ("eq"), or for all others ("ne").
func setFor(id, name, is string, nodes []string, parameters map[string]string) *cibxml.Element {
	id += "-thalassa-" + name
	rule := cibxml.New("rule", "id", id+"-rule", "score", "0", "boolean-op", map[string]string{"eq": "or", "ne": "and"}[is])
	for _, n := range nodes {
		rule.Add(cibxml.New("expression", "id", id+"-on-"+n, "attribute", "#uname", "operation", is, "value", n))
	}
	set := cibxml.New("instance_attributes", "id", id).Add(rule)
	for _, p := range slices.Sorted(maps.Keys(parameters)) {
		set.Add(cibxml.New("nvpair", "id", id+"-"+p, "name", p, "value", parameters[p]))
	}
	return set
}

// applyNodeByNode changes the parameters of HAProxy on one node after the other. The
// floating IPs leave a node before HAProxy restarts there. If HAProxy does not start again
// on a node, the configuration from before the change is restored.
func (c *Cluster) applyNodeByNode(ctx context.Context, p Plan, wait time.Duration) (cluster.Status, error) {
	written := p.from
	write := func(next *CIB) (cluster.Status, error) {
		now, err := c.Query(ctx)
		if err != nil {
			return cluster.Status{}, err
		}
		if !sameConfiguration(now, written) {
			return cluster.Status{}, &cluster.Error{Tool: "apply", Kind: cluster.KindStale}
		}
		if err := c.patch(ctx, now, withConfigurationOf(now, next)); err != nil {
			return cluster.Status{}, fmt.Errorf("writing the configuration: %w", err)
		}
		written = next
		return c.Settled(ctx, wait)
	}
	view, err := c.View(ctx, p.from)
	if err != nil {
		return view, err
	}
	for i, node := range p.NodeByNode {
		next, err := p.upTo(p.NodeByNode[:i+1])
		if err != nil {
			return view, err
		}
		if i > 0 {
			if err := vacate(ctx, c, p, node, p.NodeByNode[0], wait); err != nil {
				return view, err
			}
		}
		before := view
		if view, err = write(next); err == nil {
			err = hasRestarted(before, view, p.haproxy, node)
		}
		if err != nil {
			return c.restore(ctx, p, view, node, err, wait)
		}
	}
	if view, err = write(p.to); err != nil {
		return view, err
	}
	return view, inService(view, p.Consequences.After)
}

// vacate moves the floating IPs to another node if they are on this one.
func vacate(ctx context.Context, c *Cluster, p Plan, node, to string, wait time.Duration) error {
	v, err := c.Now(ctx)
	if err != nil {
		return err
	}
	for _, r := range v.Resources {
		if (r.ID == p.home || r.In == p.home) && slices.Contains(r.Nodes(), node) {
			_, err := c.Do(ctx, cluster.Action{Kind: cluster.Move, Node: to, Resource: p.home, Wait: wait})
			return err
		}
	}
	return nil
}

// hasRestarted reports if HAProxy does not run on a node, or has failed there.
func hasRestarted(before, after cluster.Status, haproxy, node string) error {
	for _, failed := range failedSince(before, after, haproxy) {
		return &lb.ConflictError{ID: "resource/" + haproxy, Reason: failed}
	}
	for _, r := range after.Resources {
		if r.ID == haproxy && !slices.Contains(r.Nodes(), node) {
			return &lb.ConflictError{ID: "resource/" + haproxy, Reason: "it does not run on " + node}
		}
	}
	return nil
}

// restore restores the configuration from before a plan, and returns the error of the plan.
func (c *Cluster) restore(ctx context.Context, p Plan, view cluster.Status, node string, cause error, wait time.Duration) (cluster.Status, error) {
	ctx = context.WithoutCancel(ctx)
	now, err := c.Query(ctx)
	if err == nil {
		err = c.patch(ctx, now, withConfigurationOf(now, p.from))
	}
	if err != nil {
		return view, fmt.Errorf("restoring the configuration after a failure on %s (%w): %w", node, cause, err)
	}
	if back, err := c.Settled(ctx, wait); back.Nodes != nil {
		view, cause = back, errors.Join(cause, err)
	}
	return view, fmt.Errorf("changing HAProxy on %s: %w; the configuration from before is restored, and the nodes after %s have not been changed", node, cause, node)
}

// sameConfiguration compares the configurations of CIBs.
func sameConfiguration(a, b *CIB) bool {
	return a.root.Child("configuration").Equal(b.root.Child("configuration"))
}

// withConfigurationOf is the CIB with the configuration of another one, as its next version.
func withConfigurationOf(now, other *CIB) *CIB {
	root := now.root.Clone()
	*root.Child("configuration") = *other.root.Child("configuration").Clone()
	next, err := now.next(func(configuration *cibxml.Element) error {
		*configuration = *root.Child("configuration")
		return nil
	})
	if err != nil || next == nil {
		return now // nothing changes
	}
	return next
}
