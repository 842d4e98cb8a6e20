package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"thalassa/activity"
	"thalassa/client"
)

func newActivity(env environment) *cobra.Command {
	r := &remote{env: env}
	var q client.ActivityQuery
	var follow bool
	cmd := &cobra.Command{
		Use:   "activity",
		Short: "Show events: changes, reloads, failures",
		Long: `Shows the newest events, one a line: number, time, event, object, duration, cause and
author. With -f the command shows further events until Ctrl-C. With -o json each line is
a JSON document.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if q.Limit < 1 || q.Limit > activity.MaxLimit {
				return mistake(cmd, "--limit: %d is out of range, expected 1 to %d", q.Limit, activity.MaxLimit)
			}
			c, err := r.client(cmd.Context())
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
	f.BoolVarP(&follow, "follow", "f", false, "events as they happen, until Ctrl-C")
	f.StringVar(&q.Filter, "filter", "", "`text` that the events contain")
	f.Uint64Var(&q.Since, "since", 0, "`number` of the event before the first one shown")
	f.IntVarP(&q.Limit, "limit", "n", activity.DefaultLimit, "maximum `number` of events, without those that -f adds")
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
		return encodeLine(r.env.Stdout, e)
	}
	_, err := fmt.Fprintf(r.env.Stdout, "%5d  %s\n", e.Seq, eventLine(time.DateTime, e))
	return err
}
