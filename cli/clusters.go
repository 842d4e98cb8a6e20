package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
)

func newClusters(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "clusters",
		Short: "Show the state of other Pacemaker clusters",
		Long: `Shows the clusters that the agent's setting "clusters" names and the caller may see: their
state, nodes (online/all), resources (running/all), and why some are not ok. REPORTED BY is
the node whose agent gave the state, AGE how long ago. The exit code is 0 whatever the
states are.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.OtherClusters(cmd.Context(), c)
			if err != nil {
				return err
			}
			return r.show(list, func(w io.Writer) { clustersTable(w, list, time.Now()) })
		},
	}
	r.flags(cmd)
	return cmd
}

// clustersTable prints clusters, and below them why some are not ok.
func clustersTable(w io.Writer, list []cluster.Summary, now time.Time) {
	row(w, "CLUSTER", "STATE", "NODES", "RESOURCES", "FAILURES", "QUORUM", "DC", "REPORTED BY", "AGE")
	for _, s := range list {
		age, quorum := "-", "no"
		if !s.Seen.IsZero() {
			age = max(0, now.Sub(s.Seen)).Round(time.Second).String()
		}
		if s.Quorum {
			quorum = "yes"
		}
		row(w, s.Name, s.State, fmt.Sprintf("%d/%d", s.NodesOnline, s.Nodes), fmt.Sprintf("%d/%d", s.ResourcesRunning, s.Resources), s.FailureCount, quorum, orDash(s.DC), orDash(s.Node), age)
	}
	for _, s := range list {
		var why []string
		why = append(why, s.Reasons...)
		for _, f := range s.Failures {
			why = append(why, strings.TrimSpace(fmt.Sprintf("%s of %s failed on %s: %s %s", f.Operation, f.Resource, f.Node, f.Meaning, f.Reason)))
		}
		for _, a := range s.Agents {
			if a.Problem != "" {
				why = append(why, a.Address+": "+a.Problem)
			}
		}
		if len(why) == 0 {
			continue
		}
		row(w)
		row(w, s.Name+":")
		for _, line := range why {
			row(w, "  "+line)
		}
	}
}
