package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/activity"
	nodeapi "thalassa/api/node"
	"thalassa/client"
)

func newConfig(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print haproxy.cfg as last written",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client()
			if err != nil {
				return err
			}
			config, err := c.HAProxyConfig(cmd.Context())
			if err != nil {
				return err
			}
			out := env.exact // byte for byte, unless somebody looks at it
			if isTerminal(out) {
				out = env.stdout
			}
			_, err = out.Write(config)
			return err
		},
	}
	r.agentFlags(cmd)
	return cmd
}

func newActivity(env environment) *cobra.Command {
	r := &remote{env: env}
	var q client.ActivityQuery
	var follow bool
	cmd := &cobra.Command{
		Use:   "activity",
		Short: "Show what happened",
		Long: `Shows what happened, the newest events unless told otherwise, a line each: number,
time, what happened, to what, how long it took, why and by whom. With -o json each line
is a JSON document.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Limit < 1 || q.Limit > activity.MaxLimit {
				return mistake(cmd, "--limit: %d is not a number of events, expected 1 to %d", q.Limit, activity.MaxLimit)
			}
			c, err := r.client()
			if err != nil {
				return err
			}
			if follow {
				return ended(cmd.Context(), r.follow(cmd.Context(), c, q))
			}
			_, err = r.showEvents(cmd.Context(), c, q)
			return err
		},
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&follow, "follow", "f", false, "go on showing events as they happen")
	f.StringVar(&q.Filter, "filter", "", "only events that hold this `text`")
	f.Uint64Var(&q.Since, "since", 0, "only events after this `number`")
	f.IntVarP(&q.Limit, "limit", "n", activity.DefaultLimit, "`number` of events at most; -f adds those that happen after them")
	return cmd
}

// showEvents shows what answers the query; last is the number of the last event
// known then.
func (r *remote) showEvents(ctx context.Context, c *client.Client, q client.ActivityQuery) (last uint64, err error) {
	events, err := c.Activity(ctx, q)
	last = q.Since
	for _, e := range events {
		last = e.Seq
		if err := r.showEvent(e); err != nil {
			return last, err
		}
	}
	return last, err
}

// follow shows what answers the query, and all that happens after it.
func (r *remote) follow(ctx context.Context, c *client.Client, q client.ActivityQuery) error {
	last, err := r.showEvents(ctx, c, q)
	if err != nil {
		return err
	}
	match := activity.Query{Filter: q.Filter}
	return c.FollowActivity(ctx, last, func(e activity.Event) error {
		if !match.Match(e) {
			return nil
		}
		return r.showEvent(e)
	})
}

// showEvent prints one event: a line, or a JSON document in a line.
func (r *remote) showEvent(e activity.Event) error {
	if r.output == "json" {
		return encodeLine(r.env.stdout, e)
	}
	_, err := fmt.Fprintf(r.env.stdout, "%5d  %s\n", e.Seq, eventLine(time.DateTime, e))
	return err
}

func newStatus(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show how agent, HAProxy and Consul are doing",
		Long:  "Shows how agent, HAProxy and Consul are doing. The exit code is 6 when HAProxy does not run what was asked for.",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client()
			if err != nil {
				return err
			}
			s, err := c.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := r.show(s, func(w io.Writer) { statusTable(w, s) }); err != nil {
				return err
			}
			if ready, reasons := s.Ready(); !ready {
				return fmt.Errorf("%w: %s", errNotReady, strings.Join(reasons, "; "))
			}
			return nil
		},
	}
	r.flags(cmd)
	return cmd
}

func statusTable(w io.Writer, s nodeapi.Status) {
	label := ""
	if s.Label != "" {
		label = ", " + s.Label
	}
	row(w, "agent", fmt.Sprintf("thalassa %s%s, up %s", s.Version, label, time.Since(s.Started).Round(time.Second)))
	row(w, "haproxy", haproxyLine(s.HAProxy))
	row(w, "revision", fmt.Sprintf("%d, in effect %d", s.Revision, s.InEffect))
	if _, reasons := s.Ready(); len(reasons) > 0 {
		row(w, "problem", strings.Join(reasons, "; "))
	}
	if len(s.Discovery) == 0 {
		return
	}
	row(w)
	row(w, "SERVICE", "VERSION", "HEALTHY", "CONSUL")
	for _, d := range s.Discovery {
		state := "confirmed"
		switch {
		case !d.Known:
			state = "not answered yet"
			if d.Stale != "" {
				state = "no answer: " + d.Stale
			}
		case d.Stale != "":
			state = "stale: " + d.Stale
		case d.Hold != nil:
			state = "held: " + d.Hold.String()
		}
		if len(d.Versions) == 0 {
			row(w, d.Service, "-", "0 of 0", state)
		}
		for _, v := range d.Versions {
			row(w, d.Service, v.Version, fmt.Sprintf("%d of %d", v.Healthy, v.Total), state)
		}
	}
}

func haproxyLine(h nodeapi.HAProxyStatus) string {
	switch {
	case h.Idle:
		return "not on this node, as Pacemaker wants it; its configuration is in place"
	case !h.Running:
		return "not running"
	}
	return fmt.Sprintf("%s, master %d, worker %d, %s, %s", h.Version, h.MasterPID, h.WorkerPID, count(h.Reloads, "reload"), count(h.OldWorkers, "old worker"))
}
