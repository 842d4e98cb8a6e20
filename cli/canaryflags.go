package cli

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"thalassa/client"
	"thalassa/lb"
)

// canaryLease is how long the agent lets a canary go on whose command it does not hear of.
const canaryLease = time.Minute

// canaryFlags are the flags of a deploy in steps.
type canaryFlags struct {
	steps, abortOn string
	every          time.Duration
	minRequests    int64
	detach         bool

	percents []int
}

func (w *canaryFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&w.steps, "canary", "", "canary `steps`: ascending percentages up to 100, e.g. 5,25,50,100")
	f.DurationVar(&w.every, "every", lb.DefaultCanaryEvery, "`duration` of a canary step")
	f.StringVar(&w.abortOn, "abort-on", lb.DefaultCanaryAbortOn, "`conditions` for going back to the previous version")
	f.Int64Var(&w.minRequests, "min-requests", lb.DefaultCanaryMinRequests, "minimum `number` of requests in a step before conditions count")
	f.BoolVar(&w.detach, "detach", false, "end after the first step; the agent continues the canary")
}

// parse checks the flags; isCanary is false when the deploy has no steps.
func (w *canaryFlags) parse(cmd *cobra.Command, d client.DeployRequest) (isCanary bool, err error) {
	f := cmd.Flags()
	if !f.Changed("canary") {
		for _, name := range []string{"every", "abort-on", "min-requests", "detach"} {
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
	case w.detach && f.Changed("drain"):
		return false, mistake(cmd, "--detach and --drain exclude each other")
	case w.every <= 0:
		return false, mistake(cmd, "--every: %s is too short, expected more than 0s", w.every)
	case w.minRequests < 1:
		return false, mistake(cmd, "--min-requests: %d is too few, expected 1 or more", w.minRequests)
	}
	if w.percents, err = lb.ParseCanarySteps(w.steps); err != nil {
		return false, mistake(cmd, "--canary: %w", err)
	}
	if _, err = lb.ParseCanaryConditions(w.abortOn); err != nil {
		return false, mistake(cmd, "--abort-on: %w", err)
	}
	return true, nil
}

// request is the canary as the agent is asked for it.
func (w *canaryFlags) request(d client.DeployRequest) client.CanaryRequest {
	r := client.CanaryRequest{
		Version: d.Version, Steps: w.percents, Every: w.every, AbortOn: w.abortOn, MinRequests: w.minRequests, Wait: d.Wait,
	}
	if !w.detach {
		r.Lease = canaryLease
	}
	return r
}
