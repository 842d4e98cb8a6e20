package history

import (
	"context"
	"time"

	"thalassa/cluster"
	"thalassa/pacemaker"
)

const (
	// logBefore is how long before a transition its log begins: what it is about was logged
	// then.
	logBefore = 10 * time.Second
	// logAfter is how long after it the log ends, if no other transition comes.
	logAfter = 5 * time.Minute
)

// Log is what the programs of the cluster have logged on this node in an interval, the latest
// lines up to a number. What is secret in the configurations of then is masked.
func (p Past) Log(ctx context.Context, from, to time.Time, limit int) cluster.Logged {
	lines, sources, cut := pacemaker.ReadLogs(ctx, p.Tools, pacemaker.LogFiles(), from, to, p.hiding(from, to))
	merged, more := cluster.MergedLines(lines, limit)
	return cluster.Logged{From: from.UTC(), To: to.UTC(), Lines: merged, More: more || cut, Sources: sources}
}

// LogOf is the interval of a transition: from what led to it until the next one.
func (p Past) LogOf(id string) (from, to time.Time, err error) {
	t, err := p.Archive.Transition(id)
	if err != nil {
		return from, to, err
	}
	to = t.Time.Add(logAfter)
	if _, after := p.Neighbors(id); after != "" {
		if next, err := p.Archive.Transition(after); err == nil && next.Time.Before(to) {
			to = next.Time.Add(time.Second) // times of transitions are whole seconds
		}
	}
	return t.Time.Add(-logBefore), to, nil
}

// hiding masks what is secret in the configurations at the beginning and at the end of an
// interval, and what has the form of a secret.
func (p Past) hiding(from, to time.Time) func(string) string {
	cibs := []*pacemaker.CIB{nil}
	var before, last string
	for _, t := range p.transitions() {
		if before == "" || !t.Time.After(from) {
			before = t.ID
		}
		if last == "" || !t.Time.After(to) {
			last = t.ID
		}
	}
	for _, id := range []string{before, last} {
		if _, cib, err := p.Input(id); err == nil {
			cibs = append(cibs, cib)
		}
	}
	return func(text string) string {
		for _, cib := range cibs {
			text = cib.Hide(text)
		}
		return text
	}
}
