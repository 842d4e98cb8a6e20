package history

import (
	"context"
	"fmt"
	"strings"
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
	// Live are the results of operations that the cluster has now, and when that is; zero: nothing is
	// known of it. nil: it is not to be asked.
	Live func() (results []cluster.OperationResult, at time.Time)
	// Secrets are those of the configuration that the cluster has now, or had last; false: it is not
	// known. nil: it is not to be asked.
	Secrets func() (pacemaker.Secrets, bool)
	// Others tells what was logged on the other nodes in an interval, as Peers.Between does;
	// nil: nothing is known of it.
	Others func(ctx context.Context, from, to time.Time, ask bool) cluster.Logged
	// Nodes are this one and the others of the cluster; nil: they are not known.
	Nodes func() (self string, others []string)
	// Elsewhere says where a past comes from that is not this cluster's; nil: it is.
	Elsewhere *Elsewhere

	reading *reading // of an export; nil: each question reads its inputs
}

// An Elsewhere has what this node would be asked about its own past.
type Elsewhere struct {
	// Lines are those of logs in an interval, in any order, with secrets; more: there are
	// others.
	Lines func(ctx context.Context, from, to time.Time) (lines []cluster.LogLine, sources []cluster.LogSource, more bool)
	// Told reads into v what was told of a transition where its input had its secrets; false:
	// nothing, so Pacemaker's tools are asked, unless Masked. part is statePart or decisionsPart.
	Told func(id, part string, v any) (bool, error)
	// Masked: the inputs have no secrets, so that Pacemaker's tools would not answer as they did.
	Masked bool
	// Token is the token timeout in corosync.conf; 0: it is not known.
	Token time.Duration
}

// told reads what was told of a transition elsewhere. What cannot be found out any more is an
// *lb.NotFoundError.
func (p Past) told(id, part string, v any) (bool, error) {
	if p.Elsewhere == nil {
		return false, nil
	}
	known, err := p.Elsewhere.Told(id, part, v)
	if err == nil && !known && p.Elsewhere.Masked {
		return false, &lb.NotFoundError{ID: "cluster/history/" + id + "/" + strings.TrimSuffix(part, ".json"), Hint: "the imported file lacks it, and it cannot be computed from an input without secrets"}
	}
	return known, err
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
	var v cluster.Status
	if known, err := p.told(id, statePart, &v); known || err != nil {
		return v, err
	}
	return pacemaker.ViewPast(ctx, p.Tools, cib)
}

// Predicted is what the scheduler decided, and how the cluster was to carry it out.
func (p Past) Predicted(ctx context.Context, id string) (cluster.Prediction, error) {
	_, cib, err := p.Input(id)
	if err != nil {
		return cluster.Prediction{}, err
	}
	var v cluster.Prediction
	if known, err := p.told(id, decisionsPart, &v); known || err != nil {
		return v, err
	}
	return pacemaker.Foresee(ctx, pacemaker.New(p.Tools), cib, cluster.Scenario{})
}

// Suppose is what the scheduler would have decided under a scenario. Errors are those of
// pacemaker.Foresee; an import without secrets is an *lb.NotFoundError: without them, the scheduler
// would take parameters for changed.
func (p Past) Suppose(ctx context.Context, id string, s cluster.Scenario) (cluster.Prediction, error) {
	_, cib, err := p.Input(id)
	if err != nil {
		return cluster.Prediction{}, err
	}
	if p.Elsewhere != nil && p.Elsewhere.Masked {
		return cluster.Prediction{}, &lb.NotFoundError{ID: "cluster/history/" + id, Hint: "its import has no secrets, so nothing else can be supposed of it"}
	}
	return pacemaker.Foresee(ctx, pacemaker.New(p.Tools), cib, s)
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

// File is the input of a transition as Pacemaker has kept it, and its name. It has secrets. Of an
// imported export, it is the XML without them.
func (p Past) File(id string) (name string, data []byte, err error) {
	if data, _, err = p.Input(id); err == nil && isPacked(data) {
		data, err = expand(data)
	}
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
	t.Decisions, t.Known = boundDecisions(predicted.Actions), true
	return t, p.decided(t)
}
