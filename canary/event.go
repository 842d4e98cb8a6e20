package canary

// A Kind says what an Event tells.
type Kind string

// The kinds of events.
const (
	Stepped   Kind = "stepped"   // a step is in effect
	Watched   Kind = "watched"   // a step's time is over
	Waiting   Kind = "waiting"   // the agent gives no answer
	GoingBack Kind = "goingBack" // something is wrong
	Done      Kind = "done"      // the version has all traffic
)

// An Event is something that happens in a walk.
type Event struct {
	Kind Kind `json:"kind"`
	// Backend is its id, Service that of its members.
	Backend string `json:"backend"`
	Service string `json:"service"`
	// Percent of the step that the walk is in; 0 before the first.
	Percent int `json:"percent"`
	// Selection is which versions the backend is at.
	Selection string `json:"selection"`
	// Path and DurationMS say how a step came into effect; Path is empty when the
	// agent's answer was lost.
	Path       string  `json:"path,omitempty"`
	DurationMS float64 `json:"durationMs,omitempty"`
	Revision   uint64  `json:"revision,omitempty"`
	// Members of the backend, of all versions.
	Members int `json:"members,omitempty"`
	// Figures of the step; nil: there are none.
	Figures *Figures `json:"figures,omitempty"`
	// Judged: there were enough requests for conditions to mean something.
	Judged bool `json:"judged,omitempty"`
	// Reason to wait or to go back, a clause.
	Reason string `json:"reason,omitempty"`
}
