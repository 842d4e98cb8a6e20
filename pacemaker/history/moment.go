package history

import (
	"context"
	"time"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

// At is the state of the cluster at an instant: that of the latest transition at or before it,
// with the results of operations that had ended by then, as the next transition tells. An
// instant before all transitions is an *lb.NotFoundError.
func (p Past) At(ctx context.Context, at time.Time) (cluster.Moment, error) {
	before, after, err := p.around(at)
	if err != nil {
		return cluster.Moment{}, err
	}
	m := cluster.Moment{Past: cluster.Record{
		Time: at.UTC(), Transition: before.ID, Recorded: before.Time, AgeMS: at.Sub(before.Time).Milliseconds(),
		Operations: []cluster.OperationResult{}, Changes: []cluster.Authorship{}, Next: after.ID, NextTime: after.Time,
	}}
	_, cib, err := p.Input(before.ID)
	if err != nil {
		return cluster.Moment{}, err
	}
	if after.ID != "" {
		// One that has just been removed, or is damaged, tells nothing.
		if _, later, err := p.Input(after.ID); err == nil {
			then, ended, err := cib.After(later, at)
			if err != nil {
				return cluster.Moment{}, err
			}
			cib, m.Past.Operations = then, append(m.Past.Operations, ended...)
		}
		for _, a := range cluster.Authored(after, p.Jobs) {
			if !a.Time.IsZero() && !a.Time.After(at) {
				m.Past.Changes = append(m.Past.Changes, a)
			}
		}
	}
	if len(m.Past.Operations) == 0 {
		m.Status, err = p.State(ctx, before.ID)
		return m, err
	}
	m.Status, err = pacemaker.ViewPast(ctx, p.Tools, cib)
	return m, err
}
