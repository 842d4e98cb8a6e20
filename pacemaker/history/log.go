package history

import (
	"context"
	"slices"
	"sort"
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
	// maxVersions limits the versions of the configuration whose secrets are masked in an interval:
	// each is an input to be read.
	maxVersions = 64
)

// Log is what the programs of the cluster have logged in an interval, on this node and on the
// others, or elsewhere: the latest lines up to a number. What is secret in the configurations of
// then, or in that of now, is masked. Missing are the nodes whose lines are not here, or not all of
// them: also this one while it is not known what is secret in its lines.
func (p Past) Log(ctx context.Context, from, to time.Time, limit int) cluster.Logged {
	own, isShown := p.ownLog(ctx, from, to, limit)
	own.Missing = []string{}
	if p.Nodes != nil {
		own.Node, own.Missing = p.Nodes()
	}
	if p.Others != nil {
		own = p.withOthers(ctx, own, limit)
	}
	if !isShown && own.Node != "" {
		own.Missing = append(slices.Clone(own.Missing), own.Node)
		slices.Sort(own.Missing)
	}
	return own
}

// withOthers is a log of this node, and what was logged on the others.
func (p Past) withOthers(ctx context.Context, own cluster.Logged, limit int) cluster.Logged {
	theirs := p.Others(ctx, own.From, own.To, true)
	own.Node = theirs.Node
	for i := range own.Lines {
		own.Lines[i].Node = own.Node
	}
	lines, more := cluster.MergedLines(append(own.Lines, theirs.Lines...), limit)
	own.Lines, own.More, own.Missing = lines, more || own.More || theirs.More, theirs.Missing
	return own
}

// ownLog is that of this node, or elsewhere; isShown: it is known what is secret in its lines.
// Otherwise it has none, and each source says why.
func (p Past) ownLog(ctx context.Context, from, to time.Time, limit int) (log cluster.Logged, isShown bool) {
	log = cluster.Logged{From: from.UTC(), To: to.UTC(), Lines: []cluster.LogLine{}}
	hide, isKnown := p.hiding(from, to)
	if p.Elsewhere == nil && !isKnown {
		for _, name := range pacemaker.LogNames() {
			log.Sources = append(log.Sources, cluster.LogSource{Name: name, Problem: secretsUnknown})
		}
		return log, false
	}
	lines, sources, cut := p.lines(ctx, from, to, hide)
	merged, more := cluster.MergedLines(lines, limit)
	log.Lines, log.More, log.Sources = merged, more || cut, sources
	return log, true
}

// secretsUnknown says why no lines are shown.
const secretsUnknown = "it is not known which values in it are secret, because Pacemaker has not answered here yet, and no record of that time is stored"

// lines are those of this node or elsewhere.
func (p Past) lines(ctx context.Context, from, to time.Time, hide func(string) string) (lines []cluster.LogLine, sources []cluster.LogSource, more bool) {
	if p.Elsewhere == nil {
		return pacemaker.ReadLogs(ctx, p.Tools, pacemaker.LogFiles(), from, to, hide)
	}
	lines, sources, more = p.Elsewhere.Lines(ctx, from, to)
	return pacemaker.Shown(lines, hide), sources, more
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

// hiding masks what is secret in the configurations of an interval, from the one before it to the
// one after it, because Pacemaker logs changes of the configuration before its scheduler runs; what is
// secret in the configuration of now, because a node may have no inputs of then; and what has the form
// of a secret. isKnown: there is one of these configurations.
func (p Past) hiding(from, to time.Time) (hide func(string) string, isKnown bool) {
	secrets := []pacemaker.Secrets{{}}
	note := func(s pacemaker.Secrets, ok bool) {
		if ok {
			secrets, isKnown = append(secrets, s), true
		}
	}
	for _, id := range p.versions(from, to) {
		note(p.secretsOf(id))
	}
	if p.Secrets != nil {
		note(p.Secrets())
	}
	return func(text string) string {
		for _, s := range secrets {
			text = s.Hide(text)
		}
		return text
	}, isKnown
}

// versions are transitions that have between them each version of the configuration in an interval,
// the latest first: maxVersions of them, and the one that it began with.
func (p Past) versions(from, to time.Time) []string {
	all := p.transitions()
	begin := max(0, sort.Search(len(all), func(i int) bool { return all[i].Time.After(from) })-1)
	end := min(len(all), 1+sort.Search(len(all), func(i int) bool { return all[i].Time.After(to) }))
	var ids []string
	var last cluster.Epoch
	for i := end - 1; i >= begin; i-- {
		version := cluster.Epoch{Admin: all[i].Epoch.Admin, Epoch: all[i].Epoch.Epoch}
		if i == begin || len(ids) == 0 || version != last && len(ids) < maxVersions {
			ids, last = append(ids, all[i].ID), version
		}
	}
	return ids
}
