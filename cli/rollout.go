package cli

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/lb"
	"thalassa/pacemaker"
)

func newRollout(o *onNode) *cobra.Command {
	var r pacemaker.Rollout
	cmd := &cobra.Command{
		Use:   "rollout",
		Short: "Reload HAProxy on all nodes, or on none",
		Long: `Loads the haproxy.cfg on the disks of all nodes, or on none of them. First the agent of
every node checks its file with HAProxy. When all files are valid, Pacemaker reloads
HAProxy on all nodes.

When a reload fails, or HAProxy does not load its file, the previous generation is
restored. HAProxy keeps running on all nodes; a node that has loaded its file by then
keeps it.

The exit code is 5 when a file is not valid or an agent does not answer. It is 4 when
Pacemaker would restart HAProxy instead of reloading it.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.cluster()
			if err != nil {
				return err
			}
			done, err := c.Rollout(cmd.Context(), r)
			if done.Nodes != nil {
				if shown := o.show(done, func(w io.Writer) { rolloutTable(w, done) }); shown != nil {
					return shown
				}
			}
			if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
				return fmt.Errorf("%w: %s", err, refused.Output)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.Resource, "resource", "haproxy", "`name` of the HAProxy resource")
	f.DurationVar(&r.Validate, "validate-timeout", 15*time.Second, "maximum `time` to wait for the agents' answers")
	f.BoolVar(&r.Restart, "restart", false, "restart of HAProxy where Pacemaker cannot reload it")
	f.DurationVar(&r.Wait, "wait", 2*time.Minute, "maximum `time` to wait for the final state")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error { return positive(cmd, "wait", "validate-timeout") }
	return cmd
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
	if r.To == r.From {
		row(w, "generation "+r.From+" unchanged")
		return
	}
	row(w, fmt.Sprintf("generation %s -> %s", r.From, r.To))
	if len(r.Reloaded) > 0 {
		row(w, fmt.Sprintf("reloaded on %s after %s", strings.Join(r.Reloaded, ", "), inSeconds(r.ReloadMs)))
	}
	row(w, "settled after "+inSeconds(r.SettleMs))
}

func inSeconds(ms int64) string { return fmt.Sprintf("%.2f s", float64(ms)/1000) }
