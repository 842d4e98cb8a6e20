package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
)

// runSteps is the command cluster run.
type runSteps struct {
	remote

	file     string
	run      string
	patience time.Duration
}

func newClusterRun(o *onNode) *cobra.Command {
	s := &runSteps{remote: remote{env: o.env}}
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Change the cluster in steps, each of them once, over any agent",
		Long: `Sends the requests of a file to an agent, one after the other, and prints how each of them
ended. Each line is a request of the API that changes the cluster: METHOD PATH [JSON].
Empty lines, and those that begin with #, are none.

If the agent stops answering, the command sends the request again until an agent does, which
may be that of another node behind the same floating IP. Each step is carried out once, also
if the command is run again after a break: it goes on where it was. A step that fails ends
the command. The same steps are carried out again with another name of the run (--run).`,
		Example: `  thalassa cluster run -f steps
  printf 'POST /cluster/actions/restart {"resource": "web"}\n' |
    thalassa cluster run -f - --run "$(date +%s)"`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.output = o.output
			return s.all(cmd.Context())
		},
	}
	s.agentFlags(cmd)
	f := cmd.Flags()
	f.StringVarP(&s.file, "file", "f", "", "`file` of the steps; - is standard input")
	f.StringVar(&s.run, "run", "", "`name` of this run; another name repeats all steps")
	f.DurationVar(&s.patience, "patience", 5*time.Minute, "maximum `time` without the end of a step")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if s.file == "" {
			return mistake(cmd, "--file: is missing, expected a file of steps")
		}
		return positive(cmd, "patience")
	}
	return cmd
}

// all carries out the steps in their order.
func (s *runSteps) all(ctx context.Context) error {
	steps, err := s.read()
	if err != nil {
		return err
	}
	c, err := s.client(ctx)
	if err != nil {
		return err
	}
	fresh := 0
	for n, step := range steps {
		begun := time.Now()
		done, err := client.RunStep(ctx, c, step, s.patience)
		if shown := s.showStep(n+1, len(steps), step, done, time.Since(begun)); shown != nil {
			return shown
		}
		if err == nil {
			err = failureOf(done.Job)
		}
		if !done.Earlier {
			fresh++
		}
		if ctx.Err() != nil {
			err = errors.Join(err, errInterrupted)
		}
		if err != nil {
			return fmt.Errorf("step %d of %d, line %d, %s: %w", n+1, len(steps), step.Line, step, err)
		}
	}
	if fresh == 0 {
		fmt.Fprintln(s.env.Stderr, "Nothing was done: an earlier run has carried out all steps. --run NAME, with a name for this run, carries them out again.")
	}
	return nil
}

// read reads the file.
func (s *runSteps) read() ([]client.Step, error) {
	from := s.env.Stdin
	if s.file != "-" {
		f, err := os.Open(s.file)
		if err != nil {
			return nil, usageError{fmt.Errorf("--file: %w", err)}
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, client.MaxStepsFile+1))
	if err != nil {
		return nil, usageError{fmt.Errorf("--file: reading %s: %w", s.file, err)}
	}
	steps, err := client.ParseSteps(data, s.run)
	if err != nil {
		return nil, usageError{fmt.Errorf("--file: %s: %w", s.file, err)}
	}
	return steps, nil
}

// showStep prints how a step has ended, on a line of its own.
func (s *runSteps) showStep(n, of int, step client.Step, done client.StepResult, took time.Duration) error {
	j := done.Job
	if s.output == "json" {
		return encodeLine(s.env.Stdout, struct {
			Step    int         `json:"step"`
			Request string      `json:"request"`
			Key     string      `json:"key"`
			Earlier bool        `json:"earlier"`
			Job     cluster.Job `json:"job"`
		}{n, step.String(), step.Key, done.Earlier, j})
	}
	state := string(j.State)
	if state == "" {
		state = "not known"
	}
	end := took.Round(time.Millisecond).String()
	if done.Earlier {
		end = "by an earlier run, at " + j.Begun.Local().Format(time.DateTime)
	}
	_, err := fmt.Fprintf(s.env.Stdout, "%d/%d  %s  %s  job %s  %s\n", n, of, state, oneLine(step.String()), orDash(j.ID), end)
	return err
}
