package apitest

import (
	"context"
	"io"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/failover"
	"thalassa/lb"
	"thalassa/pacemaker/history"
)

// The transitions of a ClusterHistory, by time.
const (
	FirstTransition  = "20261129T120000Z-input-1-00000001"
	SecondTransition = "20261129T120100Z-warning-1-00000002"
	// FirstJob is the first one of a Cluster.
	FirstJob = "00000000000000000001"
)

// ClusterHistory has two transitions of a Cluster: vip has failed on n1 before the second,
// in which its configuration is another one, too.
type ClusterHistory struct{ *Cluster }

func (h ClusterHistory) transitions() []cluster.Transition {
	at := time.Date(2026, 11, 29, 12, 1, 0, 0, time.UTC)
	return []cluster.Transition{
		{
			ID: SecondTransition, Time: at, Tag: "warning", File: "pe-warn-1.bz2", DC: "n2", Epoch: cluster.Epoch{Epoch: 12, Updates: 3}, Quorum: true, Known: true,
			Change:   &cluster.ConfigurationChange{Time: at.Add(-30 * time.Second), User: "ann", Client: "cibadmin", Node: "n1"},
			Versions: 3, Jobs: []string{FirstJob},
			Authors: []cluster.Authorship{
				{Name: "ann", Time: at.Add(-40 * time.Second), Job: FirstJob, Kind: cluster.JobConfigure, Object: "primitives/vip", Node: "n1", Versions: 2},
				{Name: "root", Time: at.Add(-30 * time.Second), Client: "crm_resource", Node: "n2", Versions: 1},
			},
			Operations: []cluster.OperationResult{{Node: "n1", Resource: "vip", Name: "monitor", IntervalMS: 5000, Call: 7, Code: 7, Meaning: "not running", Failed: true, Time: at, Reason: "gone"}},
			Decisions:  []cluster.Consequence{{Action: "recover", Resource: "vip", Node: "n1"}},
		},
		{ID: FirstTransition, Time: at.Add(-time.Minute), Tag: "input", File: "pe-input-1.bz2", DC: "n2", Epoch: cluster.Epoch{Epoch: 11}, Quorum: true},
	}
}

// Find chooses among both.
func (h ClusterHistory) Find(f cluster.HistoryFilter, limit int) (list []cluster.Transition, more bool) {
	list = []cluster.Transition{}
	for _, t := range h.transitions() {
		if f.Includes(t) {
			list = append(list, t)
		}
	}
	return list[:min(limit, len(list))], len(list) > limit
}

// Operations has the failure.
func (h ClusterHistory) Operations(f cluster.HistoryFilter, _ int) (list []cluster.OperationResult, more bool) {
	list = []cluster.OperationResult{}
	for _, t := range h.transitions() {
		for _, o := range t.Operations {
			if f.IncludesResult(o) {
				list = append(list, o)
			}
		}
	}
	return list, false
}

// Transition is one of both.
func (h ClusterHistory) Transition(id string) (cluster.Transition, error) {
	for _, t := range h.transitions() {
		if t.ID == id {
			return t, nil
		}
	}
	return cluster.Transition{}, &lb.NotFoundError{ID: "cluster/history/" + id}
}

// Neighbors are the other one.
func (h ClusterHistory) Neighbors(id string) (before, after string) {
	if id == FirstTransition {
		return "", SecondTransition
	}
	return FirstTransition, ""
}

// State is that of the Cluster.
func (h ClusterHistory) State(_ context.Context, id string) (cluster.Status, error) {
	_, err := h.Transition(id)
	return h.View(), err
}

// At is that of the Cluster; 30 seconds after a transition, the failure of vip is known.
func (h ClusterHistory) At(_ context.Context, at time.Time) (cluster.Moment, error) {
	list := h.transitions()
	m := cluster.Moment{Status: h.View(), Past: cluster.Record{Time: at, Operations: []cluster.OperationResult{}, Changes: []cluster.Authorship{}}}
	for i, t := range list {
		if t.Time.After(at) {
			m.Past.Next, m.Past.NextTime = t.ID, t.Time
			continue
		}
		m.Past.Transition, m.Past.Recorded, m.Past.AgeMS = t.ID, t.Time, at.Sub(t.Time).Milliseconds()
		if i > 0 {
			m.Past.Changes = append(m.Past.Changes, list[i-1].Authors...)
		}
		return m, nil
	}
	return m, &lb.NotFoundError{ID: "a record of the cluster at " + at.UTC().Format(time.RFC3339), Hint: "the history begins at " + list[len(list)-1].Time.Format(time.RFC3339)}
}

// Predicted is what the Cluster foresees.
func (h ClusterHistory) Predicted(ctx context.Context, id string) (cluster.Prediction, error) {
	if _, err := h.Transition(id); err != nil {
		return cluster.Prediction{}, err
	}
	seen, err := h.Foresee(ctx, config.Question{})
	return seen.Predicted, err
}

// Suppose is what the Cluster foresees.
func (h ClusterHistory) Suppose(ctx context.Context, id string, s cluster.Scenario) (cluster.Prediction, error) {
	if _, err := h.Transition(id); err != nil {
		return cluster.Prediction{}, err
	}
	seen, err := h.Foresee(ctx, config.Question{Scenario: s})
	return seen.Predicted, err
}

// Explain explains the failure of vip by the record of both transitions.
func (h ClusterHistory) Explain(ctx context.Context, id string) (failover.Explanation, error) {
	t, err := h.Transition(id)
	if err != nil {
		return failover.Explanation{}, err
	}
	c := failover.Case{
		ID: id, Run: []cluster.Transition{t}, Results: t.Operations, Settings: failover.Settings{Addresses: []string{"vip"}, HAProxy: []string{"haproxy"}, Nodes: 2},
		Log: h.Log(ctx, t.Time.Add(-time.Minute), t.Time.Add(time.Minute), 100),
	}
	if before, _ := h.Neighbors(id); before != "" {
		c.Before = h.transitions()[1]
		c.After = t.Time.Add(time.Minute)
		c.Results = append(c.Results,
			cluster.OperationResult{Node: "n1", Resource: "vip", Name: "stop", Call: 8, Meaning: "ok", Time: t.Time, DurationMS: 40},
			cluster.OperationResult{Node: "n1", Resource: "vip", Name: "start", Call: 9, Meaning: "ok", Time: t.Time.Add(time.Second), DurationMS: 3000})
	}
	return failover.Explain(c), nil
}

// Difference is that of vip.
func (h ClusterHistory) Difference(from, to string) ([]config.Difference, error) {
	for _, id := range []string{from, to} {
		if _, err := h.Transition(id); err != nil {
			return nil, err
		}
	}
	if from == to {
		return []config.Difference{}, nil
	}
	return []config.Difference{{Object: "primitives/vip", Before: `<primitive id="vip"/>`, After: `<primitive id="vip" description="x"/>`}}, nil
}

// Authors are those of the second.
func (h ClusterHistory) Authors(from, to string) []cluster.Authorship {
	if from != FirstTransition || to != SecondTransition {
		return []cluster.Authorship{}
	}
	return h.transitions()[0].Authors
}

// Log has a line of the scheduler at the second.
func (h ClusterHistory) Log(_ context.Context, from, to time.Time, _ int) cluster.Logged {
	out := cluster.Logged{From: from, To: to, Node: "n1", Missing: []string{"n2"}, Lines: []cluster.LogLine{}, Sources: []cluster.LogSource{{Name: "journal", Problem: "journalctl: not installed"}, {Name: "pacemaker.log"}}}
	if at := h.transitions()[0].Time; !at.Before(from) && !at.After(to) {
		out.Lines = append(out.Lines, cluster.LogLine{Time: at, Source: "pacemaker.log", Daemon: "pacemaker-schedulerd", PID: 75, Severity: "warning", Text: "Unexpected result of monitor for vip on n1"})
	}
	return out
}

// LogOf is the minute around it.
func (h ClusterHistory) LogOf(id string) (from, to time.Time, err error) {
	t, err := h.Transition(id)
	return t.Time.Add(-30 * time.Second), t.Time.Add(30 * time.Second), err
}

// MaskedCIB has the configuration of the Cluster without secrets.
func (h ClusterHistory) MaskedCIB(id string) ([]byte, error) {
	if _, err := h.Transition(id); err != nil {
		return nil, err
	}
	configuration, _, err := h.Configuration()
	if err != nil {
		return nil, err
	}
	cib := cibxml.New("cib", "admin_epoch", "0", "epoch", "12", "num_updates", "3").Add(configuration.Clone())
	cibxml.Mask(cib, "", func(string) {})
	return cib.Bytes(), nil
}

// File is what Pacemaker has kept.
func (h ClusterHistory) File(id string) (name string, data []byte, err error) {
	t, err := h.Transition(id)
	return t.File, []byte("BZh"), err
}

// Export has both, with the job of ann.
func (h ClusterHistory) Export(ctx context.Context, w io.Writer, f cluster.HistoryFilter, by cluster.HistoryOrigin) error {
	jobs := func(id string) (cluster.Job, bool) {
		return cluster.Job{ID: id, Kind: cluster.JobConfigure, State: cluster.JobDone, Author: "ann", Node: "n1", Object: "primitives/vip"}, true
	}
	return history.WriteExport(ctx, w, h, history.Beside{Jobs: jobs}, f, by)
}
