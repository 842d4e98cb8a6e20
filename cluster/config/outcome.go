package config

import "thalassa/cluster"

// An Outcome is the result of edits.
type Outcome struct {
	// Epoch is the version of the CIB from which the result was computed.
	Epoch cluster.Epoch `json:"epoch"`
	// Changes of the configuration, one line each. Empty: there is nothing to do.
	Changes []string `json:"changes"`
	// Warnings are Pacemaker's messages about the configuration.
	Warnings []string `json:"warnings"`
	// Predicted is the prediction of Pacemaker's scheduler.
	Predicted cluster.Consequences `json:"simulation"`
	// Cluster is the final status. nil: nothing has been changed.
	Cluster *cluster.Status `json:"cluster,omitempty"`
}

// OutcomeOf is what is known of the outcome of edits from the document of their job, without a status.
func OutcomeOf(j cluster.Job) Outcome {
	out := Outcome{Epoch: j.Epochs.Before, Changes: j.Changes, Warnings: []string{}}
	out.Predicted = cluster.Consequences{Actions: j.Predicted, Text: cluster.Summarize(j.Predicted)}
	if out.Changes == nil {
		out.Changes = []string{}
	}
	return out
}

// Summary is the edit for people, without its body, which may have secrets: "PUT
// primitives/vip".
func (e Edit) Summary() string {
	if e.To != "" {
		return e.Op + " " + e.name() + " to " + e.To
	}
	return e.Op + " " + e.name()
}
