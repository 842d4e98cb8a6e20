package cli

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thalassa/canary"
	"thalassa/client"
)

// walk is the flags of a deploy in steps.
type walk struct {
	steps, abortOn string
	every          time.Duration
	minRequests    int64

	percents   []int
	conditions []canary.Condition
}

func (w *walk) flags(f *pflag.FlagSet) {
	f.StringVar(&w.steps, "canary", "", "canary `steps`: ascending percentages up to 100, e.g. 5,25,50,100")
	f.DurationVar(&w.every, "every", time.Minute, "`duration` of a canary step")
	f.StringVar(&w.abortOn, "abort-on", "5xx>1%,errors>1%", "`conditions` for going back to the previous version")
	f.Int64Var(&w.minRequests, "min-requests", 20, "minimum `number` of requests in a step before conditions count")
}

// parse checks the flags; walking is false when the deploy has no steps.
func (w *walk) parse(cmd *cobra.Command, d client.DeployRequest) (walking bool, err error) {
	f := cmd.Flags()
	if !f.Changed("canary") {
		for _, name := range []string{"every", "abort-on", "min-requests"} {
			if f.Changed(name) {
				return false, mistake(cmd, "--%s needs --canary", name)
			}
		}
		return false, nil
	}
	switch {
	case len(d.Versions) > 0:
		return false, mistake(cmd, "--canary needs a single version, got %s", d.Versions)
	case d.Service != "":
		return false, mistake(cmd, "--canary and --service exclude each other")
	case d.Force:
		return false, mistake(cmd, "--canary and --force exclude each other")
	case w.every <= 0:
		return false, mistake(cmd, "--every: %s is too short, expected more than 0s", w.every)
	case w.minRequests < 1:
		return false, mistake(cmd, "--min-requests: %d is too few, expected 1 or more", w.minRequests)
	}
	if w.percents, err = canary.ParseSteps(w.steps); err != nil {
		return false, mistake(cmd, "--canary: %w", err)
	}
	if w.conditions, err = canary.ParseConditions(w.abortOn); err != nil {
		return false, mistake(cmd, "--abort-on: %w", err)
	}
	return true, nil
}

func (w *walk) config(backend string, d client.DeployRequest) canary.Config {
	return canary.Config{
		Backend: backend, Version: d.Version, Steps: w.percents, Every: w.every,
		AbortOn: w.conditions, MinRequests: w.minRequests, Wait: d.Wait,
	}
}
