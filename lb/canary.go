package lb

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The defaults and the limits of a canary.
const (
	DefaultCanaryEvery       = time.Minute
	DefaultCanaryAbortOn     = "5xx>1%,errors>1%"
	DefaultCanaryMinRequests = 20

	maxCanaryEvery = 7 * 24 * time.Hour
	minCanaryLease = time.Second
	maxCanaryLease = time.Hour
)

// A Canary is a deploy in steps, as an operator asked for it.
type Canary struct {
	Backend Name
	Version Version // to deploy
	// Steps are the percentages of the requests that the version gets in turn:
	// ascending, the last one 100.
	Steps []int
	// Every is how long a step lasts.
	Every time.Duration
	// AbortOn are the conditions for going back.
	AbortOn []CanaryCondition
	// MinRequests is how many requests the version must have had in a step before
	// conditions are checked.
	MinRequests int64
	// Wait is how long a healthy instance may take to appear before the first step.
	Wait time.Duration
	// Lease is how long the canary continues without a renewal; 0: to its end.
	Lease   time.Duration
	IfMatch []string // of the backend
	Origin  Origin
}

// A CanarySpec is a canary as written by a user, not yet checked. Empty texts and a nil
// AbortOn are the defaults.
type CanarySpec struct {
	Version     string
	Steps       []int
	Every       string // a duration such as "1m"
	AbortOn     *string
	MinRequests *int64
	Wait        string // a duration; empty: none
	Lease       string // a duration; empty: none
}

// Parse checks a canary of the backend named key. The error is an *InvalidError that
// names every bad field.
func (s CanarySpec) Parse(key Name) (Canary, error) {
	var fe FieldErrors
	c := Canary{Backend: key, Steps: s.Steps, Every: DefaultCanaryEvery, MinRequests: DefaultCanaryMinRequests}
	var err error
	c.Version, err = ParseVersion(s.Version)
	fe.AddErr("version", err)
	fe.AddErr("steps", checkCanarySteps(s.Steps))
	if s.Every != "" {
		c.Every, err = time.ParseDuration(s.Every)
		if err != nil || c.Every <= 0 || c.Every > maxCanaryEvery {
			fe.Add("every", strconv.Quote(s.Every)+" is not the duration of a step", `a duration above 0s and up to 168h, e.g. "1m"`)
		}
	}
	abortOn := DefaultCanaryAbortOn
	if s.AbortOn != nil {
		abortOn = *s.AbortOn
	}
	c.AbortOn, err = ParseCanaryConditions(abortOn)
	fe.AddErr("abortOn", err)
	if s.MinRequests != nil {
		if c.MinRequests = *s.MinRequests; c.MinRequests < 1 {
			fe.Add("minRequests", strconv.FormatInt(c.MinRequests, 10)+" is too few", "1 or more")
		}
	}
	c.Wait, err = ParseWait(s.Wait)
	fe.AddErr("wait", err)
	if s.Lease != "" {
		c.Lease, err = time.ParseDuration(s.Lease)
		if err != nil || c.Lease < minCanaryLease || c.Lease > maxCanaryLease {
			fe.Add("lease", strconv.Quote(s.Lease)+" is not a lease", `a duration from 1s to 1h, e.g. "1m"`)
		}
	}
	return c, fe.Err()
}

// ParseCanarySteps reads the percentages of a canary: whole, ascending, the last one 100.
func ParseCanarySteps(s string) ([]int, error) {
	var steps []int
	for part := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(part), "%"))
		if err != nil {
			return nil, fmt.Errorf("%q: %q is not a step, expected %s", s, part, canarySteps)
		}
		steps = append(steps, n)
	}
	if problem := canaryStepsProblem(steps); problem != "" {
		return nil, fmt.Errorf("%q %s, expected %s", s, problem, canarySteps)
	}
	return steps, nil
}

const canarySteps = "ascending percentages from 1 to 100, the last one 100, e.g. 5,25,50,100"

func checkCanarySteps(steps []int) error {
	if problem := canaryStepsProblem(steps); problem != "" {
		return bad(problem, canarySteps)
	}
	return nil
}

// canaryStepsProblem is what is wrong with the steps, a clause; empty: nothing is.
func canaryStepsProblem(steps []int) string {
	last := 0
	for _, n := range steps {
		switch {
		case n < 1 || n > 100:
			return "has the step " + strconv.Itoa(n)
		case n <= last:
			return "has the step " + strconv.Itoa(n) + " after " + strconv.Itoa(last)
		}
		last = n
	}
	if last != 100 {
		return "does not end with 100"
	}
	return ""
}

// A CanaryAction is what an operator can do with a canary that is under way.
type CanaryAction string

// The actions.
const (
	CanaryPause  CanaryAction = "pause"  // stay at the step; conditions still apply
	CanaryResume CanaryAction = "resume" // go on after a pause
	CanaryGoBack CanaryAction = "back"   // give the former versions all requests again
	CanaryFinish CanaryAction = "finish" // give the version all requests now
	CanaryRenew  CanaryAction = "renew"  // begin the lease anew
)

// ParseCanaryAction reads an action.
func ParseCanaryAction(s string) (CanaryAction, error) {
	switch a := CanaryAction(s); a {
	case CanaryPause, CanaryResume, CanaryGoBack, CanaryFinish, CanaryRenew:
		return a, nil
	}
	return "", &InvalidError{Fields: []FieldError{{
		Path: "action", Problem: strconv.Quote(s) + " is not an action of a canary", Expected: "pause, resume, back, finish or renew",
	}}}
}

// forward is the split that gives the version its percentage, and the others the rest
// in proportion.
func (c Canary) forward(others Split, percent int) (Split, error) {
	parts, total := 1, 0 // of a percent
	for _, share := range others {
		total += share.Weight
	}
	if len(others) > 1 {
		parts = 100
	}
	shares := append(make([]Share, 0, 1+len(others)), Share{Version: c.Version, Weight: parts * percent})
	for _, share := range others {
		share.Weight = max(1, parts*(100-percent)*share.Weight/total)
		shares = append(shares, share)
	}
	split, err := NewSplit(shares...)
	if err != nil {
		return nil, fmt.Errorf("dividing the requests: %w", err)
	}
	return split, nil
}
