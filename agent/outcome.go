package agent

import (
	"context"
	"sync"

	"thalassa/internal/wake"
	"thalassa/lb"
	"thalassa/template"
)

// The paths a round can take.
const (
	pathNone    = "none"
	pathRuntime = "runtime" // servers changed in the running HAProxy
	pathReload  = "reload"
)

const stopping = "the agent is stopping"

// outcome is what became of a round.
type outcome struct {
	revision uint64             // of the intent that the round looked at
	template *template.Template // that it rendered with
	tuning   *Tuning            // that it used
	// overrides of members that it dealt with
	overrides *lb.Overrides
	renewal   uint64 // the last request to reload that it dealt with
	path      string
	err       error  // why that intent is not in effect
	inEffect  uint64 // the revision that is
}

// An expectation is what the change under way waits for: a round that looks at its
// revision and uses its template and its overrides.
type expectation struct {
	revision uint64
	last     uint64             // the highest revision that is its own; 0: revision alone
	template *template.Template // nil: any
	tuning   *Tuning            // nil: any
	// overrides of members; nil: any
	overrides *lb.Overrides
	renewal   uint64 // request to reload; 0: none
	by        lb.Origin
	done      chan outcome // one slot
}

func (e *expectation) isMetBy(out outcome) bool {
	return out.revision >= e.revision && (e.template == nil || e.template == out.template) && (e.tuning == nil || e.tuning == out.tuning) &&
		(e.overrides == nil || e.overrides == out.overrides) && out.renewal >= e.renewal
}

// isAbout reports whether the change makes that revision.
func (e *expectation) isAbout(revision uint64) bool {
	return e != nil && revision >= e.revision && revision <= max(e.revision, e.last)
}

// outcomes hands the outcome of a round to the change that waits for it. Its methods
// may be called from any goroutine.
type outcomes struct {
	look  wake.Poke // asks for a round
	ended *latch    // no round will follow
	views *wake.Signal

	mu       sync.Mutex
	last     outcome
	expected *expectation // nil: no change waits
}

// expect announces what a change will wait for before it happens, so that the round
// that deals with it knows its cause and where to report. The caller holds the change
// lock.
func (o *outcomes) expect(e expectation) *expectation {
	e.done = make(chan outcome, 1)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expected = &e
	return &e
}

// forget ends an expectation.
func (o *outcomes) forget(e *expectation) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.expected == e {
		o.expected = nil
	}
}

// current is what the change under way waits for; nil: there is none.
func (o *outcomes) current() *expectation {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.expected
}

// await asks for a round and waits for the first that meets e.
func (o *outcomes) await(ctx context.Context, e *expectation) outcome {
	o.look.Send()
	what := stopping
	select {
	case out := <-e.done:
		return out
	case <-o.ended.done:
	case <-ctx.Done():
		what = "HAProxy has not taken the change within " + settleTime.String()
	}
	o.forget(e) // what is reported from now on is left to the reverter
	select {
	case out := <-e.done: // the last round
		return out
	default:
		return outcome{err: &lb.UnavailableError{What: what}}
	}
}

// report hands the outcome of a round to the change that waits for it, and tells
// whether one does.
func (o *outcomes) report(out outcome) (isExpected bool) {
	defer o.views.Broadcast()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = out
	if o.expected == nil || !o.expected.isMetBy(out) {
		return false
	}
	o.expected.done <- out // one slot, and only this sends
	o.expected = nil
	return true
}

// latest is the outcome of the newest round.
func (o *outcomes) latest() outcome {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last
}
