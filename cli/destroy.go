package cli

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// errNotConfirmed ends a command that takes something away and was not confirmed.
var errNotConfirmed = errors.New("nothing has changed; confirm with --yes")

func newDestroy(o *onNode) *cobra.Command {
	var name string
	yes := false
	cmd := &cobra.Command{
		Use:   "destroy",
		Short: "Take back what apply has made",
		Long: `Removes from the cluster's configuration what thalassa cluster apply has made: HAProxy,
its floating IPs and their constraints. Pacemaker stops them. The command shows what it
removes, and does so with --yes. It removes nothing that anything else has made, and
refuses while anything else refers to one of the resources.`,
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
			if o.output != "json" || o.dryRun || !yes {
				if err := o.showPlan(p, nil); err != nil {
					return err
				}
			}
			switch {
			case o.dryRun:
				return nil
			case !yes:
				return usageError{errNotConfirmed}
			}
			v, err := c.Destroy(cmd.Context(), p, o.wait)
			switch {
			case o.output == "json":
				return errors.Join(o.showPlan(p, &v), err)
			case v.Nodes != nil:
				fmt.Fprintln(o.env.Stdout)
				return errors.Join(o.showCluster(v), err)
			}
			return err
		},
	}
	o.waitFlags(cmd)
	cmd.Flags().StringVar(&name, "name", "haproxy", "`name` of the HAProxy resource")
	cmd.Flags().BoolVar(&yes, "yes", false, "confirmation")
	return cmd
}
