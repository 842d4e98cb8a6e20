package history

import (
	"slices"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
)

// Find lists the transitions of a filter, the newest first, up to a number of them; more
// reports that there are more.
func (a *Archive) Find(f cluster.HistoryFilter, limit int) (list []cluster.Transition, more bool) {
	return a.find(f, limit, nil)
}

func (a *Archive) find(f cluster.HistoryFilter, limit int, jobs func(id string) (cluster.Job, bool)) (list []cluster.Transition, more bool) {
	list = []cluster.Transition{}
	for _, t := range slices.Backward(a.transitions()) {
		t.Authors = cluster.Authored(t, jobs)
		if !f.Includes(t) {
			continue
		}
		if len(list) == limit {
			return list, true
		}
		list = append(list, t)
	}
	return list, false
}

// Operations lists results of operations that ended in the time of a filter, the newest
// first, up to a number of them. Recurring monitors are listed when their result changes.
func (a *Archive) Operations(f cluster.HistoryFilter, limit int) (list []cluster.OperationResult, more bool) {
	for _, t := range a.transitions() {
		for _, o := range t.Operations {
			if f.IncludesResult(o) {
				list = append(list, o)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b cluster.OperationResult) int { return b.Time.Compare(a.Time) })
	// After a gap in the archive, an operation may be news twice.
	seen := map[string]bool{}
	list = slices.DeleteFunc(list, func(o cluster.OperationResult) bool {
		twice := seen[o.Key()]
		seen[o.Key()] = true
		return twice
	})
	if len(list) > limit {
		return list[:limit], true
	}
	if list == nil {
		list = []cluster.OperationResult{}
	}
	return list, false
}

// Transition is one of them by its ID. One that there is not is an *lb.NotFoundError.
func (a *Archive) Transition(id string) (cluster.Transition, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := a.search(id)
	if !found {
		return cluster.Transition{}, &lb.NotFoundError{ID: "cluster/history/" + id}
	}
	return a.list[i].Transition, nil
}

// around are the transitions before and after an instant: the latest one at or before it, and
// the one after that, whose ID is empty if there is none. An instant before all of them is an
// *lb.NotFoundError, which says when they begin.
func (a *Archive) around(at time.Time) (before, after cluster.Transition, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	missing := &lb.NotFoundError{ID: "a record of the cluster at " + at.UTC().Format(time.RFC3339), Hint: "the history is empty"}
	if len(a.list) == 0 {
		return before, after, missing
	}
	i, _ := slices.BinarySearchFunc(a.list, at, func(e entry, at time.Time) int {
		if e.Time.After(at) {
			return 1
		}
		return -1
	})
	if i == 0 {
		missing.Hint = "the history begins at " + a.list[0].Time.Format(time.RFC3339)
		return before, after, missing
	}
	if i < len(a.list) {
		after = a.list[i].Transition
	}
	return a.list[i-1].Transition, after, nil
}

// Neighbors are the transitions before and after one; empty: there is none.
func (a *Archive) Neighbors(id string) (before, after string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	i, found := a.search(id)
	if i > 0 {
		before = a.list[i-1].ID
	}
	if found {
		i++
	}
	if i < len(a.list) {
		after = a.list[i].ID
	}
	return before, after
}
