package main

import (
	"errors"
	"fmt"
	"io"
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
all have said yes, Pacemaker reloads HAProxy on all nodes. When a reload fails, the former
generation is put back. The exit code is 5 when a node says no, or its agent nothing.`,
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
	row(w, fmt.Sprintf("generation %s -> %s, every node has reloaded after %s", r.From, r.To, r.Reload.Round(time.Millisecond)))
}
