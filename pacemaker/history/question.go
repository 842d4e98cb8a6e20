package history

import (
	"context"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/pacemaker"
)

// maxDecisions limits the decisions that are kept of a transition.
const maxDecisions = 500

// A Filter chooses transitions. Its zero value chooses all.
type Filter struct {
	From, To time.Time // both included; zero: unlimited
	// Node and Resource choose what the transition decides about them, or reports of them.
	Node, Resource string
	Tag            string // input, warning or error
}

// Check reports a tag that there is not. The error is an *lb.InvalidError.
func (f Filter) Check() error {
	if f.Tag != "" && !slices.Contains([]string{"input", "warning", "error"}, f.Tag) {
		return &lb.InvalidError{Fields: []lb.FieldError{{Path: "tag", Problem: "is unknown", Expected: "input, warning or error"}}}
	}
	if !f.From.IsZero() && !f.To.IsZero() && f.To.Before(f.From) {
		return &lb.InvalidError{Fields: []lb.FieldError{{Path: "to", Problem: "is before from", Expected: "a later time"}}}
	}
	return nil
}

// Find lists the transitions of a Filter, the newest first, up to a number of them; more
// reports that there are more.
func (a *Archive) Find(f Filter, limit int) (list []Transition, more bool) {
	list = []Transition{}
	for _, t := range slices.Backward(a.transitions()) {
		if !f.includes(t) {
			continue
		}
		if len(list) == limit {
			return list, true
		}
		list = append(list, t)
	}
	return list, false
}

func (f Filter) includes(t Transition) bool {
	switch {
	case !f.From.IsZero() && t.Time.Before(f.From), !f.To.IsZero() && t.Time.After(f.To), f.Tag != "" && f.Tag != t.Tag:
		return false
	case f.Node == "" && f.Resource == "":
		return true
	}
	return slices.ContainsFunc(t.Decisions, func(c cluster.Consequence) bool {
		return (f.Node == "" || c.Node == f.Node || c.From == f.Node) && f.means(c.Resource)
	}) || slices.ContainsFunc(t.Operations, f.reports)
}

// reports whether an operation is of the node and resource.
func (f Filter) reports(o Operation) bool {
	return (f.Node == "" || o.Node == f.Node) && f.means(o.Resource)
}

// means reports whether a resource is the chosen one, or an instance of it: haproxy:0.
func (f Filter) means(resource string) bool {
	name, _, _ := strings.Cut(resource, ":")
	return f.Resource == "" || resource == f.Resource || name == f.Resource
}

// Operations lists results of operations that ended in the time of a Filter, the newest
// first, up to a number of them. Recurring monitors are listed when their result changes.
func (a *Archive) Operations(f Filter, limit int) (list []Operation, more bool) {
	for _, t := range a.transitions() {
		for _, o := range t.Operations {
			if f.reports(o) && (f.From.IsZero() || !o.Time.Before(f.From)) && (f.To.IsZero() || !o.Time.After(f.To)) {
				list = append(list, o)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Operation) int { return b.Time.Compare(a.Time) })
	// After a gap in the archive, an operation may be news twice.
	seen := map[string]bool{}
	list = slices.DeleteFunc(list, func(o Operation) bool {
		twice := seen[o.key()]
		seen[o.key()] = true
		return twice
	})
	if len(list) > limit {
		return list[:limit], true
	}
	if list == nil {
		list = []Operation{}
	}
	return list, false
}

// Transition is one of them by its ID. One that there is not is an *lb.NotFoundError.
func (a *Archive) Transition(id string) (Transition, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := a.search(id)
	if !found {
		return Transition{}, &lb.NotFoundError{ID: "cluster/history/" + id}
	}
	return a.list[i].Transition, nil
}

// Before is the transition before another; ok is false for the first.
func (a *Archive) Before(id string) (t Transition, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if i, _ := a.search(id); i > 0 {
		return a.list[i-1].Transition, true
	}
	return Transition{}, false
}

// State is the state of the cluster that the scheduler saw.
func (a *Archive) State(ctx context.Context, tools pacemaker.Config, id string) (cluster.Status, error) {
	_, cib, err := a.Input(id)
	if err != nil {
		return cluster.Status{}, err
	}
	return pacemaker.ViewPast(ctx, tools, cib)
}

// Decide asks the scheduler once more what it decided, unless that is known, and keeps the
// answer. A scheduler that cannot tell is asked no more: the transition then has no
// decisions.
func (a *Archive) Decide(ctx context.Context, tools pacemaker.Config, id string) (Transition, error) {
	t, err := a.Transition(id)
	if err != nil || t.Known {
		return t, err
	}
	_, cib, err := a.Input(id)
	if err == nil {
		t.Decisions, err = pacemaker.DecisionsPast(ctx, tools, cib)
	}
	if ctx.Err() != nil {
		return t, ctx.Err()
	}
	t.Decisions, t.Known = t.Decisions[:min(len(t.Decisions), maxDecisions)], true
	if noted := a.decided(t); err == nil {
		err = noted
	}
	return t, err
}
