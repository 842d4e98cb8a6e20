package canary

// A Kind is the kind of an Event.
type Kind string

// The kinds of events.
const (
	Stepped   Kind = "stepped"   // a step is in effect
	Watched   Kind = "watched"   // a step's time is over
	Waiting   Kind = "waiting"   // the agent does not answer
	GoingBack Kind = "goingBack" // a rollback begins
	Done      Kind = "done"      // the version has all traffic
)

// An Event is something that happens in a rollout.
type Event struct {
	Kind Kind `json:"kind"`
	// Backend is its id, Service that of its members.
	Backend string `json:"backend"`
	Service string `json:"service"`
	// Percent of the step that the rollout is in; 0 before the first.
	Percent int `json:"percent"`
	// Selection is the versions of the backend.
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
	// Judged: there were enough requests to check conditions.
	Judged bool `json:"judged,omitempty"`
	// Reason to wait or to roll back, a clause.
	Reason string `json:"reason,omitempty"`
}
