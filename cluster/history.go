package cluster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"thalassa/lb"
)

// A Transition is one run of the scheduler, by the input that the DC has kept of it.
type Transition struct {
	// ID orders transitions by time: "20261129T131400Z-input-12-1a2b3c4d". Its end is the
	// beginning of the digest of the input.
	ID string `json:"id"`
	// Time is when the scheduler ran, by the DC's clock, to the second.
	Time time.Time `json:"time"`
	// Tag is input; warning or error if the scheduler had a reason for one: a failed
	// operation, a fenced node, a mistake in the configuration.
	Tag string `json:"tag"`
	// File is the name that Pacemaker has given to the input: pe-input-12.bz2.
	File string `json:"file"`
	// DC is the node that ran the scheduler; empty: the input does not tell.
	DC     string `json:"dc"`
	Epoch  Epoch  `json:"epoch"`
	Quorum bool   `json:"quorum"`
	// Change is the last change of the configuration before; nil: the input does not tell.
	Change *ConfigurationChange `json:"change,omitempty"`
	// Versions is how many versions of the configuration were made since the input before;
	// 0: none, or nobody knows.
	Versions uint64 `json:"versions,omitempty"`
	// Jobs are those that made some of them, by the marks that they leave in the
	// configuration: one that has written twice is there twice.
	Jobs []string `json:"jobs,omitempty"`
	// Authors made the versions, see Authored. It is not stored.
	Authors []Authorship `json:"authors,omitempty"`
	// Operations have ended since the input before, the latest last.
	Operations []OperationResult `json:"operations,omitempty"`
	// Decisions are what the scheduler decided. Known is false until it has been asked.
	Decisions []Consequence `json:"decisions,omitempty"`
	Known     bool          `json:"known"`
}

// A ConfigurationChange is a change of the configuration, as Pacemaker notes it in the CIB.
type ConfigurationChange struct {
	Time   time.Time `json:"time"`
	User   string    `json:"user,omitempty"`
	Client string    `json:"client,omitempty"` // the program: cibadmin, crm_resource
	Node   string    `json:"node,omitempty"`   // where it ran
}

// An OperationResult is the result of an action of a resource agent or a fence agent.
type OperationResult struct {
	Node       string `json:"node"`
	Resource   string `json:"resource"`
	Name       string `json:"operation"` // start, stop, monitor, migrate_to …
	IntervalMS int    `json:"intervalMs"`
	Call       int    `json:"call"`
	Code       int    `json:"code"`   // the agent's exit code
	Status     int    `json:"status"` // of the execution: 0 done, 1 canceled, 2 timed out …
	// Meaning has both in words: "not running", "timed out".
	Meaning string `json:"meaning"`
	// Failed: Pacemaker takes it for a failure. A probe that finds out whether something
	// runs is none.
	Failed bool `json:"failed"`
	// Time is when it began, or, of a recurring one, when its result last changed.
	Time       time.Time `json:"time"`
	DurationMS int       `json:"durationMs"`
	QueuedMS   int       `json:"queuedMs"`
	Reason     string    `json:"reason,omitempty"` // by the agent, without secrets
}

// Key tells results apart: two of the same key are one.
func (o OperationResult) Key() string {
	return fmt.Sprintf("%s %s %s %d %d %d %d", o.Node, o.Resource, o.Name, o.IntervalMS, o.Call, o.Code, o.Time.Unix())
}

// A HistoryFilter chooses transitions. Its zero value chooses all.
type HistoryFilter struct {
	From, To time.Time // both included; zero: unlimited
	// Node and Resource choose what the transition decides about them, or reports of them.
	Node, Resource string
	Tag            string // input, warning or error
	// Author chooses transitions before which the configuration was changed by them.
	Author string
}

// Check reports a tag that there is not. The error is an *lb.InvalidError.
func (f HistoryFilter) Check() error {
	if f.Tag != "" && !slices.Contains([]string{"input", "warning", "error"}, f.Tag) {
		return &lb.InvalidError{Fields: []lb.FieldError{{Path: "tag", Problem: "is unknown", Expected: "input, warning or error"}}}
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		return &lb.InvalidError{Fields: []lb.FieldError{{Path: "to", Problem: "is before from", Expected: "a later time"}}}
	}
	return nil
}

// Includes reports whether a transition is chosen.
func (f HistoryFilter) Includes(t Transition) bool {
	switch {
	case !f.From.IsZero() && t.Time.Before(f.From), !f.To.IsZero() && t.Time.After(f.To), f.Tag != "" && f.Tag != t.Tag:
		return false
	case f.Author != "" && !slices.ContainsFunc(t.Authors, func(a Authorship) bool { return a.Name == f.Author }):
		return false
	case f.Node == "" && f.Resource == "":
		return true
	}
	return slices.ContainsFunc(t.Decisions, func(c Consequence) bool {
		return (f.Node == "" || c.Node == f.Node || c.From == f.Node) && f.means(c.Resource)
	}) || slices.ContainsFunc(t.Operations, f.reports)
}

// reports reports whether a result is of the node and resource.
func (f HistoryFilter) reports(o OperationResult) bool {
	return (f.Node == "" || o.Node == f.Node) && f.means(o.Resource)
}

// IncludesResult reports whether a result is of the node and resource, and of the time.
func (f HistoryFilter) IncludesResult(o OperationResult) bool {
	return f.reports(o) && (f.From.IsZero() || !o.Time.Before(f.From)) && (f.To.IsZero() || !o.Time.After(f.To))
}

// means reports whether a resource is the chosen one, or an instance of it: haproxy:0.
func (f HistoryFilter) means(resource string) bool {
	name, _, _ := strings.Cut(resource, ":")
	return f.Resource == "" || resource == f.Resource || name == f.Resource
}
