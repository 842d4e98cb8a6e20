package cli

import (
	"fmt"

	"thalassa/client"
	"thalassa/lb"
)

// The kinds of events of a canary.
const (
	canaryStepped   = "stepped"   // a step is in effect
	canaryWatched   = "watched"   // a step's time is over
	canaryWaiting   = "waiting"   // the agent, or HAProxy, does not answer
	canaryPaused    = "paused"    // somebody has paused it
	canaryResumed   = "resumed"   // somebody has resumed it
	canaryGoingBack = "goingBack" // it goes back
	canaryDone      = "done"      // the version has all requests
)

// A canaryEvent is something that happens in a canary; -o json prints it.
type canaryEvent struct {
	Kind string `json:"kind"`
	// Backend is its id, Service that of its members.
	Backend string `json:"backend"`
	Service string `json:"service"`
	// Percent of the step that the canary is in; 0 before the first.
	Percent int `json:"percent"`
	// Selection is the versions of the backend.
	Selection string `json:"selection"`
	// Path and DurationMS say how a step came into effect; Path is empty when the
	// agent ended before it could note them.
	Path       string  `json:"path,omitempty"`
	DurationMS float64 `json:"durationMs,omitempty"`
	Revision   uint64  `json:"revision,omitempty"`
	// Members of the backend, of all versions.
	Members int `json:"members,omitempty"`
	// Figures of the new version in the step, Old of the others; nil: there are none.
	Figures *canaryFigures `json:"figures,omitempty"`
	Old     *canaryFigures `json:"old,omitempty"`
	// Judged: there were enough requests to check conditions.
	Judged bool `json:"judged,omitempty"`
	// Reason to wait or to go back, a clause.
	Reason string `json:"reason,omitempty"`
}

// A canaryReader finds out what has happened in a canary between two readings.
type canaryReader struct {
	steps, ends int // that were reported
	phase       lb.CanaryPhase
	problem     string
}

// news are the events since the last reading.
func (r *canaryReader) news(c client.Canary) []canaryEvent {
	var out []canaryEvent
	for i, step := range c.History {
		if i >= r.steps {
			out = append(out, steppedEvent(c, step))
			r.steps = i + 1
		}
		if i >= r.ends && step.New != nil {
			e := eventOf(c, canaryWatched, step.Percent, step.Selection)
			e.Figures, e.Old, e.Judged = step.New, step.Old, step.Judged
			out = append(out, e)
			r.ends = i + 1
		}
	}
	now := func(kind, reason string) {
		e := eventOf(c, kind, c.Percent, c.Selection)
		e.Figures, e.Old, e.Reason = c.New, c.Old, reason
		out = append(out, e)
	}
	if c.Problem != "" && c.Problem != r.problem && !c.Phase.IsEnd() {
		now(canaryWaiting, c.Problem)
	}
	// A canary that is back has gone back, even if no reading saw it.
	switch back := c.Phase == lb.CanaryGoingBack || c.Phase == lb.CanaryBack; {
	case c.Phase == lb.CanaryPaused && r.phase != c.Phase:
		now(canaryPaused, "")
	case c.Phase == lb.CanaryRunning && r.phase == lb.CanaryPaused:
		now(canaryResumed, "")
	case back && r.phase != lb.CanaryGoingBack && r.phase != lb.CanaryBack:
		now(canaryGoingBack, c.Reason)
	}
	r.phase, r.problem = c.Phase, c.Problem
	return out
}

func eventOf(c client.Canary, kind string, percent int, selection string) canaryEvent {
	return canaryEvent{Kind: kind, Backend: "backend/" + c.Backend, Service: c.Service, Percent: percent, Selection: selection}
}

func steppedEvent(c client.Canary, step canaryStep) canaryEvent {
	e := eventOf(c, canaryStepped, step.Percent, step.Selection)
	if step.Percent == 100 {
		e.Kind = canaryDone
	}
	e.Path, e.DurationMS, e.Revision, e.Members = step.Path, step.DurationMS, step.Revision, step.Members
	return e
}

// line tells of an event: "  5%  312 requests, 0% 5xx, 0% errors, 3 ms".
func (e canaryEvent) line(c client.Canary) string {
	what := ""
	switch e.Kind {
	case canaryDone:
		return deployed(e.Backend, e.Service, e.Selection, e.Members) + e.effect()
	case canaryStepped:
		what = e.Selection + " with " + count(e.Members, "member") + e.effect()
	case canaryWatched:
		what = e.Figures.String()
		if !e.Judged {
			what += fmt.Sprintf("; %d are needed to judge", c.MinRequests)
		}
	case canaryWaiting:
		what = "waiting for " + e.Reason
	case canaryPaused, canaryResumed:
		what = e.Kind
	case canaryGoingBack:
		what = "going back: " + e.Reason
	}
	return fmt.Sprintf("%3d%%  %s", e.Percent, what)
}

// effect says how a step came into effect.
func (e canaryEvent) effect() string {
	switch e.Path {
	case "":
		return " and in effect"
	case "none":
		return fmt.Sprintf(", nothing had to change (revision %d)", e.Revision)
	}
	return fmt.Sprintf(" and in effect after %.0f ms (%s, revision %d)", e.DurationMS, e.Path, e.Revision)
}
