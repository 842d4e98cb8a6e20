package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"thalassa/cluster"
	"thalassa/internal/safefile"
	"thalassa/pacemaker/history"
)

// An exportedHistory is what the command prints of a file.
type exportedHistory struct {
	File  string `json:"file"`
	Bytes int    `json:"bytes"`
	cluster.HistoryManifest
}

func newHistoryExport(o *onNode) *cobra.Command {
	var past clusterPast
	cmd := o.agentCommand(&cobra.Command{
		Use:   "export FILE",
		Short: "Save the past of the cluster in a file",
		Long: `Saves transitions of the cluster in a .tar.gz: of each its record, what the scheduler saw,
what it decided, and the log lines around it; also the jobs and events that belong to them.
There are no secrets in it. It has at most 1000 transitions, the latest of the interval.

The file is checked before it takes the place of an earlier one of that name, and only its
owner can read it. "thalassa cluster history import" reads it, on any agent.`,
		Example: `  thalassa cluster history export incident.tar.gz --from 2026-11-29T13:00:00Z
  thalassa cluster history export today.tar.gz --since 24h`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := replaceable(args[0])
			if err != nil {
				return err
			}
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			var file bytes.Buffer
			if err := c.Export(cmd.Context(), &file, past.query()); err != nil {
				return err
			}
			m, err := history.CheckExport(cmd.Context(), bytes.NewReader(file.Bytes()))
			if err != nil {
				return fmt.Errorf("the agent's answer is no file of the history: %w", err)
			}
			if err := safefile.Replace(path, file.Bytes(), nil); err != nil {
				return fmt.Errorf("saving the history of the cluster: %w", err)
			}
			return o.show(exportedHistory{path, file.Len(), m}, func(w io.Writer) {
				row(w, fmt.Sprintf("%s saved: %s, %d bytes", path, count(m.Transitions, "transition"), file.Len()))
				if m.More {
					row(w, "(there are earlier ones: --to)")
				}
				for _, p := range m.Problems {
					row(w, "(not in it: "+p+")")
				}
			})
		},
	})
	past.interval(cmd)
	return cmd
}
