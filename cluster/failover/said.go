package failover

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
)

// What corosync 3.1 and Pacemaker 2.1 write into their logs; that 3.0 words otherwise is
// included.
var (
	tokenTimedOut = regexp.MustCompile(`^(?:\[TOTEM ?\] )?A processor failed, forming new configuration: token timed out \((\d+) ?ms\), waiting (\d+) ?ms for consensus`)
	processorLost = regexp.MustCompile(`^(?:\[TOTEM ?\] )?A processor failed, forming new configuration`)
	memberFormed  = regexp.MustCompile(`^(?:\[TOTEM ?\] )?A new membership \(\S+\) was formed\.`)
	memberLeft    = regexp.MustCompile(`^(?:\[TOTEM ?\] )?A new membership \(\S+\) was formed\. Members.*\bleft: `)
	stateOfNode   = regexp.MustCompile(`^Node (\S+) state is now (\w+)`)
	stateOfDC     = regexp.MustCompile(`^State transition (S_\w+) -> (S_\w+)`)
	calculated    = regexp.MustCompile(`^Calculated transition \d+.*saving inputs in \S*?(pe-\w+-\d+)`)
	fenceAsked    = regexp.MustCompile(`^Requesting fencing \((\S+)\) (?:of node|targeting)(?: node)? (\S+)`)
	peerFenced    = regexp.MustCompile(`^Peer (\S+) was terminated \(`)
	actionOn      = regexp.MustCompile(`^(?:Operation|Action) '(?:reboot|off)' targeting (\S+) .*: (?:OK|complete)`)
	initiated     = regexp.MustCompile(`^Initiating (\w+) operation (\S+) (?:locally )?on (\S+)`)
	resultOf      = regexp.MustCompile(`^Result of (\w+) operation for (\S+) on ([^\s:]+)[^:]*: (.+)`)
	resultMissing = regexp.MustCompile(`^Node (\S+) did not send (\S+) result \(via \S+\) within (\d+)ms \(action timeout plus cluster-delay\)`)
)

// A line is one that matches, with its submatches.
type line struct {
	cluster.LogLine

	parts []string
}

// lines are those of a case that match a pattern from a time to another, both included, the
// earliest first, by all nodes that have any.
func (c Case) lines(re *regexp.Regexp, from, to time.Time) []line {
	var out []line
	for _, l := range c.Log.Lines {
		if l.Time.Before(from) || l.Time.After(to) {
			continue
		}
		if m := re.FindStringSubmatch(l.Text); m != nil {
			out = append(out, line{l, m})
		}
	}
	return out
}

// lines are those by one node: each node writes that it has lost another one, by a clock of its
// own. It is the DC of the transition that began it, which has most of an incident; if it has no
// such line, the node whose logs these are, or else the one that was first.
func (s *story) lines(re *regexp.Regexp, from, to time.Time) []line {
	return byOneNode(s.Case.lines(re, from, to), s.at.DC, s.Log.Node)
}

// byOneNode are those by the first of some nodes that has any, or else by the one that was first.
func byOneNode(list []line, nodes ...string) []line {
	for _, node := range nodes {
		if by := writtenBy(list, node); len(by) > 0 {
			return by
		}
	}
	if len(list) == 0 {
		return nil
	}
	return writtenBy(list, list[0].Node)
}

func writtenBy(list []line, node string) []line {
	return slices.DeleteFunc(slices.Clone(list), func(l line) bool { return l.Node != node })
}

// lineOf is the first line by one node with some words as its first submatches.
func (s *story) lineOf(re *regexp.Regexp, from, to time.Time, words ...string) (line, bool) {
	fits := func(l line) bool { return len(l.parts) > len(words) && equal(l.parts[1:len(words)+1], words) }
	list := byOneNode(slices.DeleteFunc(s.Case.lines(re, from, to), func(l line) bool { return !fits(l) }), s.at.DC, s.Log.Node)
	if len(list) == 0 {
		return line{}, false
	}
	return list[0], true
}

func equal(a, b []string) bool {
	for i := range b {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// source is the line as a record.
func (l line) source() Source { return Source{l.Source, l.Time, l.Node, shortened(l.Text)} }

// ms is a submatch that is a number of milliseconds.
func (l line) ms(n int) time.Duration {
	v, _ := strconv.Atoi(l.parts[n]) // it has digits only
	return time.Duration(v) * time.Millisecond
}

// maxText bounds the text of a source in bytes.
const maxText = 300

// shortened is a text without what Pacemaker adds for debugging, and bounded.
func shortened(text string) string {
	text, _, _ = strings.Cut(text, " | ")
	if len(text) > maxText {
		return strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}

// ofTransition is a transition as a record.
func ofTransition(t cluster.Transition) Source {
	return Source{"transition", t.Time, t.DC, t.ID}
}

// ofOperation is the result of an operation as a record.
func ofOperation(o cluster.OperationResult) Source {
	text := o.Name + " of " + o.Resource
	if o.IntervalMS > 0 {
		text += fmt.Sprintf(" every %s", time.Duration(o.IntervalMS)*time.Millisecond)
	}
	text += fmt.Sprintf(": %s, took %s", o.Meaning, took(o))
	if o.QueuedMS > 0 {
		text += fmt.Sprintf(", waited %s", time.Duration(o.QueuedMS)*time.Millisecond)
	}
	return Source{"operation", o.Time, o.Node, shortened(text)}
}
