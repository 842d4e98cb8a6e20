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
		Short: "Let HAProxy take the configuration on the nodes' disks, everywhere or nowhere",
		Long: `Asks the agent of every node whether HAProxy takes the haproxy.cfg on its disk; only when
all have said yes, Pacemaker reloads HAProxy on all nodes. When a reload fails, or a HAProxy
does not take its file, the former generation is put back; HAProxy runs on everywhere, and
where it has read its file by then it keeps that. The exit code is 5 when a node says no, or its
agent nothing, and 4 when Pacemaker would start HAProxy again in place of a reload.`,
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
	f.DurationVar(&r.Validate, "validate-timeout", 15*time.Second, "greatest `time` that the agents may take to answer")
	f.BoolVar(&r.Restart, "restart", false, "let Pacemaker start HAProxy again where it cannot have it reload")
	f.DurationVar(&r.Wait, "wait", 2*time.Minute, "greatest `time` to wait for the final state")
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
		row(w, "generation "+r.From+" stays")
		return
	}
	row(w, fmt.Sprintf("generation %s -> %s", r.From, r.To))
	if len(r.Reloaded) > 0 {
		row(w, fmt.Sprintf("reloaded on %s after %s", strings.Join(r.Reloaded, ", "), inSeconds(r.ReloadMs)))
	}
	row(w, "settled after "+inSeconds(r.SettleMs))
}

func inSeconds(ms int64) string { return fmt.Sprintf("%.2f s", float64(ms)/1000) }
