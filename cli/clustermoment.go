package cli

import (
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"thalassa/cluster"
)

func newClusterMoment(o *onNode) *cobra.Command {
	imported := ""
	cmd := o.agentCommand(&cobra.Command{
		Use:   "at TIME",
		Short: "Show the state of the cluster at an instant of the past",
		Long: `Shows the state of the cluster at an instant: that of the latest transition at or before
it, with the results of operations that had ended by then. It also shows which transition
that is, how old it was, and what changed the configuration since.`,
		Example: `  thalassa cluster history at 2026-11-29T13:14:05Z`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := time.Parse(time.RFC3339, args[0]); err != nil {
				return mistake(cmd, fmt.Sprintf("TIME: %q is not a time, expected RFC 3339, e.g. 2026-11-29T13:14:05Z", args[0]))
			}
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			var m cluster.Moment
			if err := c.Get(cmd.Context(), ofImport("/cluster/history/at?"+url.Values{"time": {args[0]}}.Encode(), imported), &m); err != nil {
				return err
			}
			return o.show(m, func(w io.Writer) { momentTable(w, m) })
		},
	})
	importFlag(cmd, &imported)
	return cmd
}

// momentTable prints what the state was made from, and the state.
func momentTable(w io.Writer, m cluster.Moment) {
	p := m.Past
	row(w, "the past", localTime(p.Time))
	row(w, "from", fmt.Sprintf("%s, %s before", p.Transition, time.Duration(p.AgeMS)*time.Millisecond))
	if p.Next == "" {
		row(w, "", "there is no later transition, so nothing is known of what was done since")
	} else {
		row(w, "next", fmt.Sprintf("%s, at %s", p.Next, localTime(p.NextTime)))
	}
	for _, a := range p.Changes {
		row(w, "changed since", authored(a))
	}
	if len(p.Operations) > 0 {
		row(w)
		showOperations(w, p.Operations)
	}
	row(w)
	clusterTable(w, m.Status)
}
