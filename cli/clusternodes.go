package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
)

// nodesWait is how long a startup or shutdown may take, unless --wait says.
const nodesWait = 5 * time.Minute

// newOfNodes is a command that has the agents start or stop the cluster on its nodes.
func newOfNodes(o *onNode, kind, use, short string) *cobra.Command {
	r := &remote{env: o.env}
	a := cluster.Action{Kind: kind}
	dryRun, yes := false, false
	cmd := &cobra.Command{
		Use: use, Short: short,
		Long: short + `, or on one. The agents
of the nodes do it, and need thalassa-node.socket (or root) and addresses that other nodes
can reach. The command asks one of them; it needs no Pacemaker on this machine. It shows
what will happen, waits until each node is as asked, and names those that are not.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				a.Node = args[0]
			}
			r.output = o.output
			agent, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			seen, err := client.PredictClusterAction(cmd.Context(), agent, a)
			if err != nil {
				return err
			}
			if dryRun {
				return r.show(seen, func(w io.Writer) { textRows(w, seen) })
			}
			if o.output != "json" {
				for _, line := range seen.Text {
					fmt.Fprintln(o.env.Stdout, line)
				}
			}
			if kind == cluster.Shutdown && !yes && !isTerminal(o.env.Stdin) {
				return usageError{fmt.Errorf("%s needs --yes where nobody can be asked", kind)}
			}
			if err := o.confirm(a, permission{yes: yes}); err != nil {
				return err
			}
			return r.carryOutOnNodes(cmd.Context(), agent, a)
		},
	}
	r.agentFlags(cmd)
	f := cmd.Flags()
	f.DurationVar(&a.Wait, "wait", nodesWait, "maximum `time` to wait for the final state, up to 10m")
	f.BoolVar(&dryRun, "dry-run", false, "preview without changes")
	f.BoolVar(&yes, "yes", false, "skip the confirmation")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return positive(cmd, "wait") }
	return cmd
}

// carryOutOnNodes asks for a job, and shows its end.
func (r *remote) carryOutOnNodes(ctx context.Context, agent *client.Client, a cluster.Action) error {
	j, err := beginJob(ctx, agent, a)
	if err != nil {
		return err
	}
	fmt.Fprintln(r.env.Stderr, "thalassa: job", j.ID)
	j, err = endOfJob(ctx, agent, j, a.Wait)
	if err != nil {
		return err
	}
	return errors.Join(r.show(j, func(w io.Writer) { jobTable(w, j) }), failureOf(j))
}
