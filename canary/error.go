package canary

import (
	"context"
	"fmt"
)

// AbortedError is a walk that has gone back: the version has no traffic.
type AbortedError struct {
	ID      string // of the backend
	Service string
	// Selection is which versions the backend is back at.
	Selection string
	// Reason to go back, a clause.
	Reason string
	// Percent of the step in which that was; 0: in none.
	Percent int
	// Figures of that step; nil: there are none.
	Figures *Figures
	// Pending says why the way back is stored and not yet in effect; empty: it is
	// in effect.
	Pending string
}

// Error says where the backend is, and why, with the figures.
func (e *AbortedError) Error() string {
	s := fmt.Sprintf("%s is back at %s %s: %s", e.ID, e.Service, e.Selection, because(e.Reason, e.Percent, e.Figures))
	if e.Pending != "" {
		s += "; this is stored and not yet in effect: " + e.Pending
	}
	return s
}

// ForeignError is a walk that somebody else has ended by changing the backend.
type ForeignError struct {
	ID   string // of the backend
	Left string // the versions at which this walk had left it
	// Now is what it is at, service and versions; empty: it is gone, or static.
	Now string
	// Reason for which the walk was about to go back; empty: it was not.
	Reason string
}

// Error says what the backend was at and is at.
func (e *ForeignError) Error() string {
	now := "it is at " + e.Now + " now"
	if e.Now == "" {
		now = "it has no version any more"
	}
	s := fmt.Sprintf("%s was changed by somebody else while the canary had it at %s: %s and is left alone", e.ID, e.Left, now)
	if e.Reason != "" {
		s += "; it should have gone back, because " + e.Reason
	}
	return s
}

// StuckError is a walk that could not go back: the version may have a part of the
// traffic.
type StuckError struct {
	ID string // of the backend
	// Left is which versions the backend is at, as far as the walk knows.
	Left string
	// Back is where it should have gone.
	Back string
	// Reason to go back, a clause with the figures.
	Reason string
	Err    error // why it did not succeed
}

// Error says that a person must act.
func (e *StuckError) Error() string {
	return fmt.Sprintf("%s could not go back to %s and is left at %s: %v; it should have, because %s", e.ID, e.Back, e.Left, e.Err, e.Reason)
}

// Unwrap gives why the way back did not succeed.
func (e *StuckError) Unwrap() error { return e.Err }

// because is a reason with the step in which it came up, and that step's figures.
func because(reason string, percent int, f *Figures) string {
	if percent > 0 {
		reason = fmt.Sprintf("at %d%% %s", percent, reason)
	}
	if f != nil {
		reason += " (" + f.String() + ")"
	}
	return reason
}

// abortCause is a reason to go back.
type abortCause struct{ reason string }

func (e *abortCause) Error() string { return e.reason }

// outputError is a report that nobody takes.
type outputError struct{ err error }

func (e *outputError) Error() string { return "what happens cannot be told: " + e.err.Error() }

// conclude ends a walk that cannot go on: as it is, when nothing has changed or
// somebody else has taken over, else by going back.
func (w *deployment) conclude(ctx context.Context, err error) error {
	if isForeign(err) || !w.begun {
		return err
	}
	reason := err.Error()
	if ctx.Err() != nil {
		reason = "it was interrupted"
	}
	return w.goBack(context.WithoutCancel(ctx), reason)
}

// goBack gives the old versions all traffic again. Nothing keeps it from that but
// the agent, and somebody else's change.
func (w *deployment) goBack(ctx context.Context, reason string) error {
	told := w.Report
	w.Report = func(e Event) error { _ = told(e); return nil } // whether or not anybody listens
	_ = w.report(Event{Kind: GoingBack, Reason: reason})
	applied, err := w.requestBack(ctx)
	why := because(reason, w.percent, w.figures)
	if foreign, ok := asForeign(err); ok {
		foreign.Reason = why
		return foreign
	}
	if err != nil {
		return &StuckError{ID: w.id, Left: w.backend.Selection(), Back: selection(w.backward()), Reason: why, Err: err}
	}
	aborted := &AbortedError{
		ID: w.id, Service: w.service, Selection: w.backend.Selection(), Reason: reason, Percent: w.percent, Figures: w.figures,
	}
	if !applied.Applied {
		aborted.Pending = applied.Reason
	}
	return aborted
}
