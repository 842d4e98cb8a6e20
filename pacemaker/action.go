package pacemaker

import (
	"cmp"
	"context"
	"fmt"

	"thalassa/cluster"
	"thalassa/internal/permit"
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
	if err := checkAction(cib, now, a); err != nil {
		return cluster.Consequences{}, err
	}
	switch a.Kind {
	case cluster.Move:
		if stays, seen, err := c.stays(ctx, cib, now, a); stays || err != nil {
			return seen, err
		}
		return predictMove(ctx, c, cib, now, a)
	case cluster.Fence:
		return c.predict(ctx, cib, "-f", a.Node)
	case cluster.ClearState:
		return c.predict(ctx, cib, "-d", a.Node)
	case cluster.Cleanup, cluster.Refresh:
		return c.predict(ctx, cib.withoutFailures(a))
	case cluster.Restart:
		return c.predictRestart(ctx, cib, now, a)
	}
	if event := ticketEvent(a); event != "" {
		return c.predict(ctx, cib, event, a.Ticket)
	}
	after, err := c.onFile(ctx, cib, steps(cib, now, a))
	if err != nil {
		return cluster.Consequences{}, fmt.Errorf("simulating: %w", err)
	}
	predicted, err := c.predict(ctx, after)
	if err == nil && a.Kind == cluster.EndMaintenance && sameConfiguration(cib, after) {
		err = checkManaged(predicted.After, a)
	}
	return predicted, err
}

// onFile is the CIB after calls that change a copy of it.
func (t *tools) onFile(ctx context.Context, cib *CIB, calls []call) (after *CIB, err error) {
	err = withFile(cib.data, func(path string) error {
		for _, q := range calls {
			q.file = path
			if _, err := t.run(ctx, q); err != nil {
				return err
			}
		}
		var err error
		after, err = readCIB(path)
		return err
	})
	return after, err
}

// Do executes an action, waits until the cluster has settled, and returns its
// state. If the error is of kind KindTimedOut, or that of ctx, the action has been
// executed as well: the end of ctx only ends the waiting. A Move leaves no
// constraint behind, and a Restart no stopped resource, even if it fails.
func (c *Cluster) Do(ctx context.Context, a cluster.Action) (cluster.Status, error) {
	s := NewSteps(c)
	first, err := s.Plan(ctx, Stage{Action: a, Foretell: a.Kind == cluster.Move})
	if err != nil || first.Nothing && a.Kind == cluster.Move {
		return first.Before, err
	}
	if err := permit.Check(ctx); err != nil {
		return first.Before, err
	}
	if err := s.Write(context.WithoutCancel(ctx), first, ""); err != nil {
		return first.Before, fmt.Errorf("%s: %w", a.Kind, err)
	}
	view, err := s.Settle(ctx, a, 0)
	for n := 1; n < Stages(a); n++ {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeout)
		last, failed := s.Plan(end, Stage{Action: a, Number: n, Was: first.Was})
		if failed == nil {
			failed = s.Write(end, last, "")
		}
		cancel()
		switch {
		case err != nil: // of the first one
		case failed != nil:
			err = fmt.Errorf("%s: %w", endOf(a), failed)
		default:
			view, err = s.Settle(ctx, a, n)
		}
	}
	return view, err
}

// steps returns the calls that execute an action, or its first stage, on a CIB and its
// status.
func steps(cib *CIB, v cluster.Status, a cluster.Action) []call {
	switch a.Kind {
	case cluster.Standby:
		if a.Ticket != "" {
			return []call{ticket(a)}
		}
		return []call{attribute(a.Node, "standby", "on")}
	case cluster.Online:
		rebooted := attribute(a.Node, "standby", "")
		rebooted.args = append(rebooted.args, "-l", "reboot") // until the node restarts
		rebooted.live = true
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
	case cluster.Fence:
		return []call{{tool: "stonith_admin", args: []string{"--reboot", a.Node}, within: cmp.Or(a.Wait, settleWithin), live: true}}
	case cluster.ClearState:
		return []call{{tool: "stonith_admin", args: []string{"--confirm", a.Node}, live: true}}
	case cluster.Grant, cluster.Revoke, cluster.Activate:
		return []call{ticket(a)}
	case cluster.Cleanup, cluster.Refresh, cluster.KeepOff, cluster.Clear:
		return []call{onResource(a)}
	}
	var out []call
	for _, r := range tagged(cib, a.Resource) {
		out = append(out, metaOf(a.Kind, r))
	}
	return out
}

// onResource is a call with a resource and a node, where the action has them.
func onResource(a cluster.Action) call {
	q := call{tool: "crm_resource", args: []string{map[string]string{
		cluster.Cleanup: "-C", cluster.Refresh: "-R", cluster.KeepOff: "-B", cluster.Clear: "--clear",
	}[a.Kind]}}
	if a.Kind == cluster.Cleanup || a.Kind == cluster.Refresh {
		q.within, q.live = cmp.Or(a.Wait, settleWithin), true
	}
	if a.Resource != "" {
		q.args = append(q.args, "-r", a.Resource)
	}
	if a.Node != "" {
		q.args = append(q.args, "-N", a.Node)
	}
	return q
}

// metaOf sets the meta attribute of a resource by which an action works.
func metaOf(kind, resource string) call {
	switch kind {
	case cluster.Start:
		return meta(resource, "target-role", "Started")
	case cluster.Promote:
		return meta(resource, "target-role", "Promoted")
	case cluster.Demote:
		return meta(resource, "target-role", "Unpromoted")
	case cluster.Manage:
		return meta(resource, "is-managed", "")
	case cluster.Unmanage:
		return meta(resource, "is-managed", "false")
	}
	return meta(resource, "target-role", "Stopped") // Stop, and the beginning of Restart
}

// ticket is the call of an action on a ticket. Without --force, crm_ticket refuses to
// grant or revoke where it cannot ask.
func ticket(a cluster.Action) call {
	do := map[string]string{cluster.Grant: "--grant", cluster.Revoke: "--revoke", cluster.Standby: "--standby", cluster.Activate: "--activate"}
	return call{tool: "crm_ticket", args: []string{"--ticket", a.Ticket, do[a.Kind], "--force"}, plain: true, live: true}
}

// ticketEvent is the option of crm_simulate for an action on a ticket; empty: it is none.
func ticketEvent(a cluster.Action) string {
	if a.Ticket == "" {
		return ""
	}
	return map[string]string{
		cluster.Grant: "--ticket-grant", cluster.Revoke: "--ticket-revoke", cluster.Standby: "--ticket-standby", cluster.Activate: "--ticket-activate",
	}[a.Kind]
}

// attribute sets a permanent node attribute; an empty value removes it.
func attribute(node, name, value string) call {
	return call{tool: "crm_attribute", args: withValue([]string{"-N", node, "-n", name}, "-D", value)}
}

// meta sets a meta attribute of a resource; an empty value removes it.
func meta(resource, name, value string) call {
	args := []string{"-r", resource, "--meta"}
	if value == "" {
		return call{tool: "crm_resource", args: append(args, "-d", name)}
	}
	return call{tool: "crm_resource", args: append(args, "-p", name, "-v", value)}
}

func withValue(args []string, remove, value string) []string {
	if value == "" {
		return append(args, remove)
	}
	return append(args, "-v", value)
}
