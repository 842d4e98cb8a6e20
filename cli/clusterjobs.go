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

// newJobs has the commands about the jobs that the agents of the cluster keep.
func newJobs(o *onNode) *cobra.Command {
	r := &remote{env: o.env}
	state, limit := "", 0
	cmd := &cobra.Command{
		Use:   "jobs [ID]",
		Short: "Show what was asked of the cluster, what was foretold and what happened",
		Long: `Shows the jobs of the cluster, newest first, or one of them. They are the actions and the
changes of the configuration that came through the API of any agent; actions of "thalassa
cluster" do where an agent answers on their node. This command asks an agent; it needs no
Pacemaker on this machine.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			if len(args) > 0 {
				j, err := client.ClusterJob(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				return r.show(j, func(w io.Writer) { jobTable(w, j) })
			}
			list, err := client.ClusterJobs(cmd.Context(), c, cluster.JobState(state), limit)
			if err != nil {
				return err
			}
			return r.show(list, func(w io.Writer) {
				row(w, "JOB", "BEGUN", "BY", "WHAT", "OF", "STATE", "RESULT")
				for _, j := range list {
					row(w, j.ID, j.Begun.Local().Format(time.DateTime), orDash(j.Author), j.Kind, j.About(), string(j.State), orDash(j.Result))
				}
			})
		},
	}
	r.agentFlags(cmd)
	cmd.PersistentPreRun = func(*cobra.Command, []string) { r.output = o.output }
	cmd.Flags().StringVar(&state, "state", "", "only jobs in this `state`: running, done, failed, timed-out or canceled")
	cmd.Flags().IntVar(&limit, "limit", 0, "maximum `number` of jobs (default 100)")
	cmd.AddCommand(newJobCancel(r))
	return cmd
}

func newJobCancel(r *remote) *cobra.Command {
	return &cobra.Command{
		Use:   "cancel ID",
		Short: "Cancel a job that runs; a change that was made stays",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			j, err := client.CancelClusterJob(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return r.show(j, func(w io.Writer) { jobTable(w, j) })
		},
	}
}

// jobTable prints one job.
func jobTable(w io.Writer, j cluster.Job) {
	row(w, "job", j.ID)
	row(w, "asked for", fmt.Sprintf("%s of %s by %s", j.Kind, j.About(), orDash(j.Author)))
	row(w, "begun", j.Begun.Local().Format(time.DateTime)+" on "+orDash(j.Node)+", kept by "+orDash(strings.Join(j.Kept, ", ")))
	row(w, "state", string(j.State))
	row(w, "result", orDash(j.Result))
	for _, line := range j.Commands {
		row(w, "command", line)
	}
	for _, line := range j.Changes {
		row(w, "change", line)
	}
	for _, line := range cluster.Summarize(j.Predicted) {
		row(w, "foretold", line)
	}
	for _, line := range cluster.Summarize(j.Actual) {
		row(w, "happened", strings.TrimPrefix(line, "will "))
	}
	for _, line := range j.Deviations {
		row(w, "deviation", line)
	}
}
