package pacemaker

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"thalassa/cluster"
	"thalassa/internal/permit"
	"thalassa/lb"
)

// Predict returns what an action would do. It changes nothing.
func (c *Cluster) Predict(ctx context.Context, a cluster.Action) (cluster.Consequences, error) {
	cib, err := c.Query(ctx)
	if err != nil {
		return cluster.Consequences{}, err
	}
	now, err := c.View(ctx, cib)
	if err != nil {
		return cluster.Consequences{}, err
	}
	return c.predictAction(ctx, cib, now, a)
}

func (c *Cluster) predictAction(ctx context.Context, cib *CIB, now cluster.Status, a cluster.Action) (cluster.Consequences, error) {
	if err := checkNames(now, a); err != nil {
		return cluster.Consequences{}, err
	}
	switch a.Kind {
	case cluster.Move:
		if stays, seen, err := c.stays(ctx, cib, now, a); stays || err != nil {
			return seen, err
		}
	case cluster.Fence:
		if !now.Fencing.Works() {
			return cluster.Consequences{}, &lb.ConflictError{ID: "node/" + a.Node, Reason: NoFencing(now.Fencing)}
		}
		return c.predict(ctx, cib, "-f", a.Node)
	case cluster.Cleanup:
		return c.predict(ctx, cib.withoutFailures(a))
	}
	var after *CIB
	err := withFile(cib.data, func(path string) error {
		for _, q := range steps(cib, now, a) {
			q.file = path
			if _, err := c.run(ctx, q); err != nil {
				return err
			}
		}
		var err error
		after, err = readCIB(path)
		return err
	})
	if err != nil {
		return cluster.Consequences{}, fmt.Errorf("simulating: %w", err)
	}
	predicted, err := c.predict(ctx, after)
	switch {
	case err != nil:
	case a.Kind == cluster.Move:
		err = checkReachable(predicted.After, a, movable(now, a.Resource))
	case a.Kind == cluster.EndMaintenance && sameConfiguration(cib, after):
		err = checkManaged(predicted.After, a)
	}
	return predicted, err
}

// Do executes an action, waits until the cluster has settled, and returns its
// state. If the error is of kind KindTimedOut, or that of ctx, the action has been
// executed as well: the end of ctx only ends the waiting. A Move leaves no
// constraint behind, even if it fails.
func (c *Cluster) Do(ctx context.Context, a cluster.Action) (cluster.Status, error) {
	if err := c.checkLive(a.Kind); err != nil {
		return cluster.Status{}, err
	}
	cib, err := c.Query(ctx)
	if err != nil {
		return cluster.Status{}, err
	}
	now, err := c.View(ctx, cib)
	if err != nil {
		return cluster.Status{}, err
	}
	if err := checkNames(now, a); err != nil {
		return now, err
	}
	if a.Kind == cluster.Move {
		return c.move(ctx, cib, now, a)
	}
	if err := permit.Check(ctx); err != nil {
		return now, err
	}
	begun := context.WithoutCancel(ctx)
	for _, q := range steps(cib, now, a) {
		if _, err := c.run(begun, q); err != nil {
			return now, fmt.Errorf("%s: %w", a.Kind, err)
		}
	}
	if !c.isLive() {
		view, err := c.Now(ctx)
		if err == nil && (a.Kind == cluster.StartMaintenance || a.Kind == cluster.EndMaintenance) {
			err = checkResult(view, a)
		}
		return view, err
	}
	view, err := c.Settled(ctx, a.Wait)
	if err != nil {
		return view, err
	}
	return view, checkResult(view, a)
}

// steps returns the calls that execute an action on a CIB and its status.
func steps(cib *CIB, v cluster.Status, a cluster.Action) []call {
	switch a.Kind {
	case cluster.Standby:
		return []call{attribute(a.Node, "standby", "on")}
	case cluster.Online:
		rebooted := attribute(a.Node, "standby", "")
		rebooted.args = append(rebooted.args, "-l", "reboot") // until the node restarts
		return []call{attribute(a.Node, "standby", ""), rebooted, attribute(a.Node, "maintenance", "")}
	case cluster.Move:
		var out []call
		for _, r := range toMove(v, a) {
			out = append(out, call{tool: "crm_resource", args: []string{"-M", "-r", r, "-N", a.Node, "-u", moveLifetime}})
		}
		return out
	case cluster.StartMaintenance:
		return maintenance(cib, a, "true")
	case cluster.EndMaintenance:
		return maintenance(cib, a, "")
	case cluster.Cleanup:
		args := []string{"-C"}
		if a.Resource != "" {
			args = append(args, "-r", a.Resource)
		}
		if a.Node != "" {
			args = append(args, "-N", a.Node)
		}
		return []call{{tool: "crm_resource", args: args, within: cmp.Or(a.Wait, settleWithin)}}
	case cluster.Stop:
		return []call{meta(a.Resource, "target-role", "Stopped")}
	case cluster.Start:
		return []call{meta(a.Resource, "target-role", "Started")}
	case cluster.Fence:
		return []call{{tool: "stonith_admin", args: []string{"--reboot", a.Node}, within: cmp.Or(a.Wait, settleWithin)}}
	}
	return nil
}

// attribute sets a permanent node attribute; an empty value removes it.
func attribute(node, name, value string) call {
	return call{tool: "crm_attribute", args: withValue([]string{"-N", node, "-n", name}, "-D", value)}
}

// meta sets a meta attribute of a resource.
func meta(resource, name, value string) call {
	return call{tool: "crm_resource", args: []string{"-r", resource, "--meta", "-p", name, "-v", value}}
}

func withValue(args []string, remove, value string) []string {
	if value == "" {
		return append(args, remove)
	}
	return append(args, "-v", value)
}

// checkNames reports a node or resource that the cluster does not have.
func checkNames(v cluster.Status, a cluster.Action) error {
	if err := a.Check(); err != nil {
		return err
	}
	if a.Node != "" && !slices.ContainsFunc(v.Nodes, func(n cluster.Node) bool { return n.Name == a.Node }) {
		return &lb.NotFoundError{ID: "node/" + a.Node}
	}
	if a.Resource != "" && !slices.ContainsFunc(v.Resources, func(r cluster.Resource) bool { return r.ID == a.Resource || r.In == a.Resource }) {
		return &lb.NotFoundError{ID: "resource/" + a.Resource}
	}
	return nil
}
