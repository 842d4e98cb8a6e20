package history

import (
	"context"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/failover"
	"thalassa/pacemaker"
)

// The log of a run of transitions begins some time before it, and ends some time after.
const (
	runLogBefore = 30 * time.Second
	runLogAfter  = time.Minute
	runLogLines  = 10_000
)

// Explain says what became of the incident or the move that a transition belongs to, by the
// record, the logs of all nodes as Log has them, jobs, and what the agent has noted of HAProxy.
func (p Past) Explain(ctx context.Context, id string) (failover.Explanation, error) {
	if _, err := p.Decide(ctx, id); err != nil {
		return failover.Explanation{}, err
	}
	c, err := p.caseOf(ctx, id)
	if err != nil {
		return failover.Explanation{}, err
	}
	from := c.Run[0].Time.Add(-runLogBefore)
	to := c.Run[len(c.Run)-1].Time.Add(runLogAfter)
	if !c.After.IsZero() && c.After.Before(to) {
		to = c.After.Add(time.Second)
	}
	c.Log = p.Log(ctx, from, to, runLogLines)
	if p.Events != nil {
		c.Events = p.Events(ctx, from, to)
	}
	if p.Elsewhere != nil {
		c.Totem.Base = p.Elsewhere.Token
	} else if totem, err := pacemaker.TotemIn(ctx, pacemaker.New(p.Tools)); err == nil {
		c.Totem.Base = totem.Base
	}
	return failover.Explain(c), nil
}

// caseOf is what the archive has about the run of a transition.
func (p Past) caseOf(ctx context.Context, id string) (failover.Case, error) {
	all := p.transitions()
	place, found := p.placeOf(all, id)
	if !found {
		_, err := p.Transition(id) // says so
		return failover.Case{}, err
	}
	from, to := failover.RunOf(all, place)
	c := failover.Case{ID: id, Run: all[from:to]}
	for i, t := range c.Run {
		if known, err := p.Decide(ctx, t.ID); err == nil {
			c.Run[i] = known
		} else if ctx.Err() != nil {
			return c, err
		}
	}
	if from > 0 {
		c.Before = all[from-1]
	}
	if to < len(all) {
		c.After = all[to].Time
	}
	before := p.cibOf(c.Before.ID)
	for _, t := range c.Run {
		cib := p.cibOf(t.ID)
		if cib == nil {
			continue
		}
		if t.ID == id { // those of the first one may be from before its addresses were made
			c.Settings = cib.FailoverSettings()
		}
		for _, node := range cib.LostSince(before, failover.Fenced(t)) {
			c.Lost = append(c.Lost, failover.Loss{Node: node, Transition: t.ID})
		}
		before, c.Results = cib, append(c.Results, cib.Operations()...)
		for _, job := range t.Jobs {
			if j, ok := p.job(job); ok {
				c.Jobs = append(c.Jobs, j)
			}
		}
	}
	if to < len(all) {
		if cib := p.cibOf(all[to].ID); cib != nil {
			c.Results = append(c.Results, cib.Operations()...)
		}
	} else if p.Live != nil {
		results, at := p.Live()
		c.Results, c.After, c.Live = append(c.Results, results...), at, !at.IsZero()
	}
	return c, nil
}

func (p Past) placeOf(all []cluster.Transition, id string) (int, bool) {
	for i, t := range all {
		if t.ID == id {
			return i, true
		}
	}
	return 0, false
}

// cibOf is the input of a transition; nil: there is none, or it cannot be read.
func (p Past) cibOf(id string) *pacemaker.CIB {
	_, cib, err := p.Input(id)
	if err != nil {
		return nil
	}
	return cib
}

func (p Past) job(id string) (cluster.Job, bool) {
	if p.Jobs == nil {
		return cluster.Job{}, false
	}
	return p.Jobs(id)
}
