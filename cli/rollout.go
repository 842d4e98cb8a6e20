package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/pacemaker"
)

func newRollout(o *onNode) *cobra.Command {
	var r pacemaker.Rollout
	var b bound
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "Reload HAProxy on all nodes, or on none",
		Long: `Loads the haproxy.cfg on the disks of all nodes, or on none of them. First the agent of
every node checks its file with HAProxy. When all files are valid, Pacemaker reloads
HAProxy on all nodes.

When a reload fails, or HAProxy does not load its file, the previous generation is
restored. HAProxy keeps running on all nodes; a node that has loaded its file by then
keeps it.

If the agent of this node answers, the rollout is a job of the cluster. On a terminal, the
command shows the plan and asks; --yes answers. If the cluster changes in between in a way
that makes another plan, nothing is done.

The exit code is 5 when a file is not valid or an agent does not answer; the table says
which. It is 4 when Pacemaker would restart HAProxy instead of reloading it, or the plan is
not the one that was shown.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.cluster()
			if err != nil {
				return err
			}
			a := cluster.Action{
				Kind: cluster.Rollout, Resource: r.Resource, Restart: r.Restart, Validate: r.Validate, Wait: r.Wait, IfMatch: ifMatch(b.tag),
			}
			done, err := o.rolloutAsked(cmd.Context(), c, a, b)
			return showRollout(o, done, err)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Resource, "resource", "haproxy", "`name` of the HAProxy resource")
	f.DurationVar(&r.Validate, "validate-timeout", 15*time.Second, "maximum `time` to wait for the agents' answers")
	f.BoolVar(&r.Restart, "restart", false, "restart of HAProxy where Pacemaker cannot reload it")
	f.DurationVar(&r.Wait, "wait", 2*time.Minute, "maximum `time` to wait for the final state")
	f.BoolVar(&o.dryRun, "dry-run", false, "preview without changes")
	b.flags(cmd)
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return positive(cmd, "wait", "validate-timeout") }
	return cmd
}

// rolloutAsked shows the plan of a rollout if somebody reads it, and carries it out.
func (o *onNode) rolloutAsked(ctx context.Context, c *pacemaker.Cluster, a cluster.Action, b bound) (done pacemaker.RolledOut, err error) {
	var shown []string
	if o.dryRun || b.asks(o) {
		p, err := c.PlanHAProxy(ctx, a)
		if err != nil {
			return done, withDifference(err, nil)
		}
		if err := o.showPlan(p, nil, o.dryRun); err != nil || o.dryRun {
			return done, err
		}
		if err := o.ask("rollout of " + a.Resource); err != nil {
			return done, err
		}
		a.IfMatch, shown = ifMatch(p.Tag), p.Lines()
	}
	done, err = o.rollout(ctx, c, a)
	return done, withDifference(err, shown)
}

// showRollout shows what has come of a rollout, also of one that nodes have refused.
func showRollout(o *onNode, done pacemaker.RolledOut, err error) error {
	if refused, ok := errors.AsType[*cluster.RolloutRefusedError](err); ok {
		done.RolledOut = refused.Rollout
	} else if answer, ok := errors.AsType[*client.Error](err); ok && answer.Rollout != nil {
		done.RolledOut = *answer.Rollout
	}
	if done.Nodes != nil {
		if shown := o.show(done, func(w io.Writer) { rolloutTable(w, done) }); shown != nil {
			return shown
		}
	}
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
		return refusedNodesError{refused}
	}
	return err
}

// A refusedNodesError is a refusal with all of its lines, of which the error has the first.
type refusedNodesError struct{ *lb.RefusedError }

// Error is the whole answer of the nodes.
func (e refusedNodesError) Error() string { return "the rollout was refused: " + e.Output }

// Unwrap is the refusal.
func (e refusedNodesError) Unwrap() error { return e.RefusedError }

// rollout rolls out, as a job if the agent of this node answers.
func (o *onNode) rollout(ctx context.Context, c *pacemaker.Cluster, a cluster.Action) (done pacemaker.RolledOut, err error) {
	v, j, err := o.carryOut(ctx, c, a, func() (cluster.Status, error) {
		done, err = c.Rollout(ctx, a)
		return done.Cluster, err
	})
	if j.Rollout != nil {
		done = pacemaker.RolledOut{RolledOut: *j.Rollout, Cluster: v}
	}
	return done, err
}

func rolloutTable(w io.Writer, r pacemaker.RolledOut) {
	row(w, "NODE", "CONFIGURATION")
	for _, n := range r.Nodes {
		word := "valid"
		if !n.Valid {
			word = n.Reason
		}
		row(w, n.Node, word)
	}
	row(w)
	switch {
	case r.Planned != "":
		row(w, fmt.Sprintf("generation %s unchanged: %s refused %s", r.From, strings.Join(refusing(r.Nodes), ", "), r.Planned))
		return
	case r.To == r.From:
		row(w, "generation "+r.From+" unchanged")
		return
	}
	row(w, fmt.Sprintf("generation %s -> %s", r.From, r.To))
	if len(r.Reloaded) > 0 {
		row(w, fmt.Sprintf("reloaded on %s after %s", strings.Join(r.Reloaded, ", "), inSeconds(r.ReloadMs)))
	}
	row(w, "settled after "+inSeconds(r.SettleMs))
}

// refusing are the nodes whose answer is no, or that have not answered.
func refusing(answers []cluster.NodeAnswer) []string {
	var nodes []string
	for _, a := range answers {
		if !a.Valid {
			nodes = append(nodes, a.Node)
		}
	}
	slices.Sort(nodes)
	return nodes
}

func inSeconds(ms int64) string { return fmt.Sprintf("%.2f s", float64(ms)/1000) }
