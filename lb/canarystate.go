package lb

import (
	"fmt"
	"time"
)

// A CanaryPhase says what a canary is doing, or how it ended.
type CanaryPhase string

// The phases. The last four are ends.
const (
	CanaryStarting   CanaryPhase = "starting" // the first step is not in effect yet
	CanaryRunning    CanaryPhase = "running"
	CanaryPaused     CanaryPhase = "paused"
	CanaryGoingBack  CanaryPhase = "goingBack"
	CanaryDone       CanaryPhase = "done"       // the version has all requests
	CanaryBack       CanaryPhase = "back"       // the former versions have all requests again
	CanarySuperseded CanaryPhase = "superseded" // another change of the backend ended it
	CanaryStuck      CanaryPhase = "stuck"      // it could not go back; a person must act
)

// IsEnd reports whether the canary has ended.
func (p CanaryPhase) IsEnd() bool {
	return p == CanaryDone || p == CanaryBack || p == CanarySuperseded || p == CanaryStuck
}

// CanaryState is a canary and how far it is. It is immutable.
type CanaryState struct {
	Canary

	Phase   CanaryPhase
	Service Name  // of the backend at the start
	Others  Split // the versions with traffic beside the new one, at the start
	Percent int   // of the step in effect, or of the last one; 0: none was
	// Selection is the versions of the backend as the canary left it.
	Selection string
	// Tag is the entity tag of the backend as the canary left it, Next the one after
	// the request under way; empty: there is none.
	Tag, Next string
	// Began is when the measurement of the step began, Measured its duration up to
	// the last reading.
	Began    time.Time
	Measured time.Duration
	// New and Old are the figures of the step: of the version, and of the others.
	// nil: nothing was read yet.
	New, Old *CanaryFigures
	History  []CanaryStep // the steps that were in effect, in order
	// Reason says why it goes back or ended, Problem what it waits for; clauses.
	Reason, Problem string
	// Now is the service and the versions of the backend where another change ended the
	// canary; empty: it does not exist, or is static.
	Now string
	// Pending says why going back is stored and not yet in effect.
	Pending string
	Ended   time.Time
}

// A CanaryStep is a step that was in effect.
type CanaryStep struct {
	Percent   int
	Selection string
	Time      time.Time // when it was in effect
	Path      string    // of the change; see Applied
	Duration  time.Duration
	Revision  uint64
	Members   int // of the backend, of all versions
	// Measured, New and Old are the figures at its end. nil: it has not ended.
	Measured time.Duration
	New, Old *CanaryFigures
	// Judged: there were enough requests to check conditions.
	Judged bool
}

// Forward is the switch to a percentage.
func (s CanaryState) Forward(percent int) (Switch, error) {
	out := Switch{Backend: s.Backend, Origin: s.Origin}
	out.Origin.Cause = fmt.Sprintf("canary at %d%%", percent)
	if percent == 100 {
		out.Version = s.Version
		return out, nil
	}
	var err error
	out.Versions, err = s.forward(s.Others, percent)
	return out, err
}

// Backward is the switch that gives the others all requests again.
func (s CanaryState) Backward() Switch {
	out := Switch{Backend: s.Backend, Versions: s.Others, Origin: s.Origin}
	if len(s.Others) == 1 {
		out.Version, out.Versions = s.Others[0].Version, nil
	}
	out.Origin.Cause = "canary going back"
	return out
}

// NextPercent is the percentage of the next step.
func (s CanaryState) NextPercent() int {
	for _, percent := range s.Steps {
		if percent > s.Percent && len(s.Others) > 0 {
			return percent
		}
	}
	return 100 // without others, the version has all requests already
}

// ConditionBroken is the condition that the figures of the step exceed, as a clause; empty: none,
// or there were too few requests.
func (s CanaryState) ConditionBroken() string {
	if s.New == nil || s.New.Requests < s.MinRequests {
		return ""
	}
	for _, c := range s.AbortOn {
		if c.Holds(*s.New) {
			return "version " + string(s.Version) + " broke " + c.String()
		}
	}
	return ""
}

// Because is the reason with the step and its figures.
func (s CanaryState) Because() string {
	reason := s.Reason
	if s.Percent > 0 {
		reason = fmt.Sprintf("at %d%% %s", s.Percent, reason)
	}
	if s.New != nil {
		reason += " (" + s.New.String() + ")"
	}
	return reason
}
