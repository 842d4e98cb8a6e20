package cli

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/lb"
)

func newCanary(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "canary",
		Short: "Show and control the canary of a backend",
		Long: `Shows and controls the canary of a backend, which "thalassa deploy --canary" has started.
A canary is under way until it is done, back, superseded by another change of the
backend, or stuck. Actions on a canary that has ended fail with exit code 4.`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	r.flags(cmd)
	cmd.AddCommand(
		r.canaryShow(),
		r.canaryAction(lb.CanaryPause, "Keep the canary at its step; its conditions still apply"),
		r.canaryAction(lb.CanaryResume, "Continue a paused canary"),
		r.canaryAction(lb.CanaryGoBack, "Give the previous version all requests again"),
		r.canaryAction(lb.CanaryFinish, "Give the new version all requests now"),
	)
	return cmd
}

func (r *remote) canaryShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show BACKEND",
		Short: "Show the last canary of a backend, with figures by version",
		Args:  arguments, ValidArgsFunction: r.complete(false, dynamicKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			state, err := c.Canary(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return r.show(state, func(w io.Writer) { canaryTable(w, state) })
		},
	}
}

func (r *remote) canaryAction(a lb.CanaryAction, short string) *cobra.Command {
	return &cobra.Command{
		Use:   string(a) + " BACKEND",
		Short: short,
		Args:  arguments, ValidArgsFunction: r.complete(false, dynamicKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			state, err := c.ControlCanary(cmd.Context(), args[0], a)
			if err != nil {
				return err
			}
			if r.output == "json" {
				err = encodeLine(r.env.Stdout, state)
			} else {
				_, err = fmt.Fprintln(r.env.Stdout, canaryLine(state))
			}
			if err == nil && state.Phase == lb.CanaryStuck {
				err = &canaryError{Canary: state}
			}
			return err
		},
	}
}

// canaryLine is a canary in a sentence: "backend/live is at shop 1=95,2=5, canary of 2 paused at 5%".
func canaryLine(c client.Canary) string {
	return fmt.Sprintf("backend/%s is at %s %s, canary of %s %s at %d%%", c.Backend, c.Service, c.Selection, c.Version, phaseWord(c.Phase), c.Percent)
}

// phaseWord is a phase as people read it.
func phaseWord(p lb.CanaryPhase) string {
	if p == lb.CanaryGoingBack {
		return "going back"
	}
	return string(p)
}

func canaryTable(w io.Writer, c client.Canary) {
	steps := make([]string, len(c.Steps))
	for i, percent := range c.Steps {
		steps[i] = strconv.Itoa(percent)
	}
	row(w, "backend", "backend/"+c.Backend)
	row(w, "canary", fmt.Sprintf("%s %s -> %s, %s at %d%%", c.Service, c.From, c.Version, phaseWord(c.Phase), c.Percent))
	row(w, "steps", strings.Join(steps, ",")+" each for "+c.Every)
	row(w, "goes back if", orDash(c.AbortOn))
	row(w, "started", c.Started.Local().Format(time.DateTime)+" by "+orDash(c.Author))
	for _, item := range [][2]string{{"reason", c.Reason}, {"problem", c.Problem}, {"backend is at", c.Now}, {"not in effect", c.Pending}} {
		if item[1] != "" {
			row(w, item[0], item[1])
		}
	}
	if c.New == nil {
		return
	}
	row(w)
	row(w, "VERSION", "REQUESTS", "PER SECOND", "5XX", "ERRORS", "MEAN TIME", "MEASURED")
	measured := (time.Duration(c.MeasuredMS) * time.Millisecond).Round(time.Second).String()
	for _, side := range []struct {
		version string
		f       *canaryFigures
	}{{c.Version, c.New}, {c.From, c.Old}} {
		if f := side.f; f != nil {
			row(w, side.version, f.Requests, f.Rate, f.ServerErrors, f.Errors, fmt.Sprintf("%g ms", f.ResponseTimeMS), measured)
		}
	}
}
