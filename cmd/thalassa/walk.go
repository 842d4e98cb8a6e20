package main

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
	f.StringVar(&w.steps, "canary", "", "deploy in `steps`: ascending percentages of the traffic up to 100, e.g. 5,25,50,100")
	f.DurationVar(&w.every, "every", time.Minute, "`time` that a step lasts")
	f.StringVar(&w.abortOn, "abort-on", "5xx>1%,errors>1%", "`conditions` under which to go back")
	f.Int64Var(&w.minRequests, "min-requests", 20, "`number` of requests to the version in a step before a condition means anything")
}

// parse checks the flags; walking is false when the deploy has no steps.
func (w *walk) parse(cmd *cobra.Command, d client.DeployRequest) (walking bool, err error) {
	f := cmd.Flags()
	if !f.Changed("canary") {
		for _, name := range []string{"every", "abort-on", "min-requests"} {
			if f.Changed(name) {
				return false, mistake(cmd, "--%s means something with --canary only", name)
			}
		}
		return false, nil
	}
	switch {
	case len(d.Versions) > 0:
		return false, mistake(cmd, "--canary leads to one version, got %s", d.Versions)
	case d.Service != "":
		return false, mistake(cmd, "--canary stays with the backend's service, without --service")
	case d.Force:
		return false, mistake(cmd, "--canary needs healthy instances, without --force")
	case w.every <= 0:
		return false, mistake(cmd, "--every: %s is not the time of a step", w.every)
	case w.minRequests < 1:
		return false, mistake(cmd, "--min-requests: %d is not a number of requests", w.minRequests)
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
