package cluster

import "time"

// A Moment is the state of the cluster at an instant of the past, as far as it was recorded,
// with what it was made from.
type Moment struct {
	Status

	Past Record `json:"past"`
}

// A Record says what the state of an instant was made from: a transition at or before it, and
// the results of operations that had ended until then.
type Record struct {
	Time time.Time `json:"time"` // the instant
	// Transition is the latest one at or before the instant, Recorded is its time.
	Transition string    `json:"transition"`
	Recorded   time.Time `json:"recorded"`
	// AgeMS is how old the record was at the instant: what nobody recorded meanwhile is not
	// in the state.
	AgeMS int64 `json:"ageMs"`
	// Operations had ended between the transition and the instant. The state has their
	// results.
	Operations []OperationResult `json:"operations"`
	// Changes of the configuration were made between them. The state does not have them.
	Changes []Authorship `json:"changes"`
	// Next is the transition after the instant, by which operations and changes are known;
	// empty: there is none yet, so nothing is known since Recorded.
	Next     string    `json:"next,omitempty"`
	NextTime time.Time `json:"nextTime,omitzero"`
}
