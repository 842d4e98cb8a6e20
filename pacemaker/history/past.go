package history

import (
	"context"
	"fmt"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/cluster/failover"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// maxDecisions limits the decisions that are kept of a transition.
const maxDecisions = 500

// maxAuthors limits the authors between two transitions.
const maxAuthors = 200

// A Past answers questions about an Archive with Pacemaker's tools, which ask no cluster.
// Its methods are safe for concurrent use. A transition that there is not is an
// *lb.NotFoundError, a failure of a tool a *cluster.Error.
type Past struct {
	*Archive

	Tools pacemaker.Config
	// Jobs finds a job by its ID; nil: there are none.
	Jobs func(id string) (cluster.Job, bool)
	// Events are what the agent of this node has noted of HAProxy in an interval, the
	// earliest first; nil: nothing is known.
	Events func(ctx context.Context, from, to time.Time) []failover.Source
}

// Find is that of the Archive, with the authors by their jobs.
func (p Past) Find(f cluster.HistoryFilter, limit int) (list []cluster.Transition, more bool) {
	return p.find(f, limit, p.Jobs)
}

// Transition is that of the Archive, with its authors.
func (p Past) Transition(id string) (cluster.Transition, error) {
	t, err := p.Archive.Transition(id)
	t.Authors = cluster.Authored(t, p.Jobs)
	return t, err
}

// Authors are those of all transitions after one, up to another; of many, the last ones.
func (p Past) Authors(from, to string) []cluster.Authorship {
	out := []cluster.Authorship{}
	for _, t := range p.transitions() {
		if t.ID > from && t.ID <= to {
			out = append(out, cluster.Authored(t, p.Jobs)...)
		}
	}
	return out[max(0, len(out)-maxAuthors):]
}

// State is the state of the cluster that the scheduler saw.
func (p Past) State(ctx context.Context, id string) (cluster.Status, error) {
	_, cib, err := p.Input(id)
	if err != nil {
		return cluster.Status{}, err
	}
	return pacemaker.ViewPast(ctx, p.Tools, cib)
}

// Predicted is what the scheduler decided, and how the cluster was to carry it out.
func (p Past) Predicted(ctx context.Context, id string) (cluster.Prediction, error) {
	_, cib, err := p.Input(id)
	if err != nil {
		return cluster.Prediction{}, err
	}
	return pacemaker.Foresee(ctx, pacemaker.New(p.Tools), cib, cluster.Scenario{})
}

// Difference is what became of the objects of the configuration from one transition to
// another.
func (p Past) Difference(from, to string) ([]config.Difference, error) {
	_, before, err := p.Input(from)
	if err != nil {
		return nil, err
	}
	_, after, err := p.Input(to)
	if err != nil {
		return nil, err
	}
	if before.Configuration() == nil || after.Configuration() == nil {
		return nil, &lb.ConflictError{ID: "cluster/history/" + from, Reason: "one of the inputs has no configuration"}
	}
	return config.Differences(before.Configuration(), after.Configuration()), nil
}

// MaskedCIB is the input of a transition as XML, without secrets.
func (p Past) MaskedCIB(id string) ([]byte, error) {
	_, cib, err := p.Input(id)
	if err != nil {
		return nil, err
	}
	return cib.Masked(), nil
}

// File is the input of a transition as Pacemaker has kept it, and its name. It has secrets.
func (p Past) File(id string) (name string, data []byte, err error) {
	data, _, err = p.Input(id)
	return nameOf(id), data, err
}

// Decide asks the scheduler once more what it decided, unless that is known, and keeps the
// answer.
func (p Past) Decide(ctx context.Context, id string) (cluster.Transition, error) {
	t, err := p.Transition(id)
	if err != nil || t.Known {
		return t, err
	}
	predicted, err := p.Predicted(ctx, id)
	if err != nil {
		return t, fmt.Errorf("asking the scheduler about %s: %w", id, err)
	}
	t.Decisions, t.Known = predicted.Actions[:min(len(predicted.Actions), maxDecisions)], true
	return t, p.decided(t)
}
