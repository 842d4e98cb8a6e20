package canary

import (
	"fmt"
	"strconv"
	"strings"

	"thalassa/activity"
	"thalassa/lb"
)

// note logs an event.
func (c *rollout) note(e activity.Event) { c.cfg.Journal.Note(e) }

// event is an event about the backend of a canary.
func event(s lb.CanaryState, v activity.Verb) activity.Event {
	return activity.Event{
		Verb: v, Object: activity.Object{ID: lb.Backend{Key: s.Backend}.ID(), Type: "backend", Key: string(s.Backend)},
		Cause: fmt.Sprintf("canary of %s %s", s.Service, s.Version), Author: s.Origin.Author,
	}
}

func startedEvent(s lb.CanaryState) activity.Event {
	e := event(s, activity.CanaryStarted)
	steps := make([]string, len(s.Steps))
	for i, percent := range s.Steps {
		steps[i] = strconv.Itoa(percent) + "%"
	}
	e.Reasons = []string{fmt.Sprintf("steps of %s of the requests, each for %s", strings.Join(steps, ", "), s.Every)}
	if len(s.AbortOn) > 0 {
		e.Reasons = append(e.Reasons, "goes back if "+lb.FormatCanaryConditions(s.AbortOn))
	}
	return e
}

// askedEvent is what somebody asked of a canary.
func askedEvent(s lb.CanaryState, a lb.CanaryAction, by lb.Origin) activity.Event {
	verbs := map[lb.CanaryAction]activity.Verb{
		lb.CanaryPause: activity.CanaryPaused, lb.CanaryResume: activity.CanaryResumed,
		lb.CanaryGoBack: activity.CanaryInterrupted, lb.CanaryFinish: activity.CanaryFinished,
	}
	e := event(s, verbs[a])
	e.Author, e.Cause = by.Author, by.Cause
	e.Reasons = []string{fmt.Sprintf("at %d%%", s.Percent)}
	return e
}

// endedEvent is the end of a canary; author is who asked for it, unless empty.
func endedEvent(s lb.CanaryState, author string) activity.Event {
	verbs := map[lb.CanaryPhase]activity.Verb{
		lb.CanaryDone: activity.CanaryDone, lb.CanaryBack: activity.CanaryWentBack,
		lb.CanarySuperseded: activity.CanarySuperseded, lb.CanaryStuck: activity.CanaryStuck,
	}
	e := event(s, verbs[s.Phase])
	if author != "" {
		e.Author = author
	}
	if s.Reason != "" {
		e.Reasons = []string{s.Because()}
	}
	if s.Phase == lb.CanarySuperseded {
		now := "the backend has no version any more"
		if s.Now != "" {
			now = "the backend is at " + s.Now
		}
		e.Reasons = append([]string{now}, e.Reasons...)
	}
	e.Error = s.Pending
	if s.Phase == lb.CanaryStuck {
		e.Error = s.Problem
	}
	return e
}
