package cluster

import (
	"cmp"
	"slices"
	"time"
)

// A LogLine is what a daemon or an agent of the cluster has written into a log.
type LogLine struct {
	// Time is by the clock of the node: to the microsecond from the journal, to the
	// millisecond or second from files.
	Time time.Time `json:"time"`
	// Node is where it was written; empty: on the node that the answer is of.
	Node string `json:"node,omitempty"`
	// Source is journal, pacemaker.log or corosync.log; of an imported past, the name of any
	// log.
	Source string `json:"source"`
	// Daemon is the program: pacemaker-controld, corosync, IPaddr2(vip); empty: the line
	// does not tell.
	Daemon string `json:"daemon,omitempty"`
	PID    int    `json:"pid,omitempty"`
	// Severity is error, warning, notice, info or debug; empty: the line does not tell.
	Severity string `json:"severity,omitempty"`
	Text     string `json:"text"` // without secrets
}

// A LogSource is a log that was read, or was to be.
type LogSource struct {
	Name string `json:"name"`
	// Problem says why its lines are not shown; empty: they are.
	Problem string `json:"problem,omitempty"`
}

// Logged is what was written in an interval: on Node, and on the nodes that lines name.
type Logged struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	Node string    `json:"node"`
	// Lines are the latest of the interval, by time.
	Lines []LogLine `json:"lines"`
	// More: the interval has more lines, before these.
	More    bool        `json:"more"`
	Sources []LogSource `json:"sources"`
	// Missing are the nodes of whose logs not everything is here.
	Missing []string `json:"missing"`
}

// Nodes are those that have lines, in order.
func (l Logged) Nodes() []string {
	out := []string{}
	for _, line := range l.Lines {
		if node := cmp.Or(line.Node, l.Node); node != "" && !slices.Contains(out, node) {
			out = append(out, node)
		}
	}
	slices.Sort(out)
	return out
}

// sameLine is how much the times of a line may differ that is in two logs.
const sameLine = 2 * time.Second

// MergedLines are lines of several logs by time, the latest of them, up to a number. A line
// that is in two logs is there once. more: there are others before.
func MergedLines(lines []LogLine, limit int) (merged []LogLine, more bool) {
	type said struct {
		node, daemon, text string
		pid                int
	}
	slices.SortStableFunc(lines, func(a, b LogLine) int { return a.Time.Compare(b.Time) })
	last := map[said]LogLine{}
	merged = slices.DeleteFunc(lines, func(l LogLine) bool {
		key := said{l.Node, l.Daemon, l.Text, l.PID}
		before, known := last[key]
		if known && before.Source != l.Source && l.Time.Sub(before.Time) <= sameLine {
			return true
		}
		last[key] = l
		return false
	})
	if len(merged) > limit {
		return merged[len(merged)-limit:], true
	}
	if merged == nil {
		merged = []LogLine{}
	}
	return merged, false
}
