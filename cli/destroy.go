package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

// errNotConfirmed ends a command that takes something away and was not confirmed.
var errNotConfirmed = errors.New("nothing has changed; confirm with --yes")

func newDestroy(o *onNode) *cobra.Command {
	var name string
	var b bound
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Take back what apply has made",
		Long: `Removes from the cluster's configuration what thalassa cluster apply has made: HAProxy,
its floating IPs and their constraints. Pacemaker stops them. The command shows what it
removes, and asks; without a terminal it needs --yes. It removes nothing that anything else
has made, and refuses while anything else refers to one of the resources. If the agent of
this node answers, the change is a job of the cluster.

The command carries out the plan that you confirm. If the cluster changes in between in a way
that makes another plan, nothing is done, and the difference is shown (exit code 4).
Without a question, the plan is the one of an earlier run whose tag --plan
gives. Without --plan as well, it follows what the cluster does meanwhile.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.cluster()
			if err != nil {
				return err
			}
			p, err := c.PlanDestroy(cmd.Context(), name)
			if err != nil {
				return err
			}
			if err := p.Meets(ifMatch(b.tag), "resource/"+name); err != nil {
				return withDifference(err, nil)
			}
			return destroy(cmd, o, c, planned{p, b}, cluster.Action{Kind: cluster.Destroy, Resource: name, Wait: o.wait})
		},
	}
	o.waitFlags(cmd)
	b.flags(cmd)
	cmd.Flags().StringVar(&name, "name", "haproxy", "`name` of the HAProxy resource")
	return cmd
}

// A planned is a plan, and how it is carried out.
type planned struct {
	pacemaker.Plan
	bound
}

// current is the plan to carry out without an agent. If somebody was asked, the CIB may be old: then
// the plan is computed again, and must be the one that was shown.
func (p planned) current(asked bool, a cluster.Action, compute func() (pacemaker.Plan, error)) (pacemaker.Plan, error) {
	if !asked {
		return p.Plan, nil
	}
	now, err := compute()
	if err == nil {
		err = now.Meets(a.IfMatch, a.Object())
	}
	return now, err
}

// destroy carries out a plan, once it is confirmed.
func destroy(cmd *cobra.Command, o *onNode, c *pacemaker.Cluster, p planned, a cluster.Action) error {
	b := p.bound
	asked := b.asks(o) && !o.dryRun
	a.IfMatch = p.condition(asked)
	preview := o.dryRun || !b.yes && !asked
	if o.output != "json" || preview {
		if err := o.showPlan(p.HAProxyPlan, nil, preview); err != nil {
			return err
		}
	}
	switch {
	case o.dryRun:
		return nil
	case asked:
		if err := o.ask("destroy " + a.Object()); err != nil {
			return err
		}
	case !b.yes:
		return usageError{errNotConfirmed}
	}
	v, _, err := o.carryOut(cmd.Context(), c, a, func() (cluster.Status, error) {
		plan, err := p.current(asked, a, func() (pacemaker.Plan, error) { return c.PlanDestroy(cmd.Context(), a.Resource) })
		if err != nil {
			return cluster.Status{}, err
		}
		return c.Destroy(cmd.Context(), plan, o.wait)
	})
	err = withDifference(err, p.Lines())
	switch {
	case o.output == "json":
		return errors.Join(o.showPlan(p.HAProxyPlan, &v, false), err)
	case v.Nodes != nil:
		fmt.Fprintln(o.env.Stdout)
		return errors.Join(o.showCluster(v), err)
	}
	return err
}
