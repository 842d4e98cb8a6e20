package canary

import (
	"context"
	"fmt"
)

// AbortedError is a rollout that was rolled back: the version has no traffic.
type AbortedError struct {
	ID      string // of the backend
	Service string
	// Selection is the versions that the backend has again.
	Selection string
	// Reason of the rollback, a clause.
	Reason string
	// Percent of the step that failed; 0: none.
	Percent int
	// Figures of that step; nil: there are none.
	Figures *Figures
	// Pending says why the rollback is stored and not yet in effect; empty: it is
	// in effect.
	Pending string
}

// Error says which versions the backend has, and why, with the figures.
func (e *AbortedError) Error() string {
	s := fmt.Sprintf("%s was rolled back to %s %s: %s", e.ID, e.Service, e.Selection, because(e.Reason, e.Percent, e.Figures))
	if e.Pending != "" {
		s += "; this is stored and not yet in effect: " + e.Pending
	}
	return s
}

// ForeignError is a rollout that somebody else has ended by changing the backend.
type ForeignError struct {
	ID   string // of the backend
	Left string // the versions after the last step of this rollout
	// Now is its service and versions; empty: it does not exist, or is static.
	Now string
	// Reason of the rollback that was due; empty: none was.
	Reason string
}

// Error says which versions the backend had and has.
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

// StuckError is a rollout whose rollback failed: the version may have a part of the
// traffic.
type StuckError struct {
	ID string // of the backend
	// Left is the versions that the backend has, as far as is known.
	Left string
	// Back is the versions that it should have.
	Back string
	// Reason of the rollback, a clause with the figures.
	Reason string
	Err    error // why it failed
}

// Error says that a person must act.
func (e *StuckError) Error() string {
	return fmt.Sprintf("%s could not go back to %s and is left at %s: %v; it should have, because %s", e.ID, e.Back, e.Left, e.Err, e.Reason)
}

// Unwrap is why the rollback failed.
func (e *StuckError) Unwrap() error { return e.Err }

// because is a reason with its step and the figures of the step.
func because(reason string, percent int, f *Figures) string {
	if percent > 0 {
		reason = fmt.Sprintf("at %d%% %s", percent, reason)
	}
	if f != nil {
		reason += " (" + f.String() + ")"
	}
	return reason
}

// abortError is the reason of a rollback.
type abortError struct{ reason string }

func (e *abortError) Error() string { return e.reason }

// outputError is an error of Report.
type outputError struct{ err error }

func (e *outputError) Error() string { return "reporting an event failed: " + e.err.Error() }

// conclude ends a rollout that cannot continue. It rolls back, unless nothing was
// changed or somebody else has changed the backend.
func (r *rollout) conclude(ctx context.Context, err error) error {
	if isForeign(err) || !r.begun {
		return err
	}
	reason := err.Error()
	if ctx.Err() != nil {
		reason = "it was interrupted"
	}
	return r.rollBack(context.WithoutCancel(ctx), reason)
}

// rollBack gives the old versions all traffic again. Only an unreachable agent or
// somebody else's change prevents that.
func (r *rollout) rollBack(ctx context.Context, reason string) error {
	report := r.Report
	r.Report = func(e Event) error { _ = report(e); return nil } // errors no longer matter
	_ = r.report(Event{Kind: GoingBack, Reason: reason})
	applied, err := r.requestBack(ctx)
	why := because(reason, r.percent, r.figures)
	if foreign, ok := asForeign(err); ok {
		foreign.Reason = why
		return foreign
	}
	if err != nil {
		return &StuckError{ID: r.id, Left: r.backend.Selection(), Back: selection(r.backward()), Reason: why, Err: err}
	}
	aborted := &AbortedError{
		ID: r.id, Service: r.service, Selection: r.backend.Selection(), Reason: reason, Percent: r.percent, Figures: r.figures,
	}
	if !applied.Applied {
		aborted.Pending = applied.Reason
	}
	return aborted
}
