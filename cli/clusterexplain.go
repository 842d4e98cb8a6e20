package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
	"thalassa/cluster/failover"
)

func newClusterExplain(o *onNode) *cobra.Command {
	imported := ""
	cmd := o.agentCommand(&cobra.Command{
		Use:   "explain [TRANSITION | last]",
		Short: "Explain a failover or a move: its phases, and what cost time",
		Long: `Explains the failover or the move that a transition belongs to; without one, the last
failover or move. Shows its phases, each with its beginning and end, and the settings that
cost time. Everything is from what was recorded: inputs of the scheduler, logs of all
nodes, jobs, and events of the agent. What nobody recorded is an interval between two
records. Nodes whose logs are missing are named.`,
		Example: `  thalassa cluster explain
  thalassa cluster explain 20261129T131402Z-warning-3-9c0e51d7`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			id := "last"
			if len(args) == 1 {
				id = args[0]
			}
			var unknown []string
			if id == "last" {
				if id, unknown, err = lastFailover(cmd, c, imported); err != nil {
					return err
				}
			}
			var e failover.Explanation
			if err := c.Get(cmd.Context(), ofImport("/cluster/history/"+url.PathEscape(id)+"/explanation", imported), &e); err != nil {
				return err
			}
			unknown = slices.DeleteFunc(unknown, func(later string) bool { return slices.Contains(e.Transitions, later) })
			if len(unknown) > 0 {
				fmt.Fprintln(o.env.Stderr, "thalassa: WARNING: this may not be the last failover, because "+notKnownYet(unknown))
			}
			return o.show(e, func(w io.Writer) { explanationTable(w, e) })
		},
	})
	importFlag(cmd, &imported)
	return cmd
}

// errNoFailover is about a history in which nothing moved.
var errNoFailover = errors.New("there is no failover and no move among the latest transitions")

// lastFailover is the latest transition that fences, moves or recovers something, as far as it is
// known what was decided. unknown are those after it of which it is not, the latest first.
func lastFailover(cmd *cobra.Command, c client.Cluster, imported string) (id string, unknown []string, err error) {
	var answer struct {
		Transitions []cluster.Transition `json:"transitions"`
	}
	if err := c.Get(cmd.Context(), ofImport("/cluster/history?limit=1000", imported), &answer); err != nil {
		return "", nil, err
	}
	for _, t := range answer.Transitions {
		if failover.Interesting(t) {
			return t.ID, unknown, nil
		}
		if !t.Known {
			unknown = append(unknown, t.ID)
		}
	}
	if len(unknown) > 0 {
		return "", nil, fmt.Errorf("%w, but %s", errNoFailover, notKnownYet(unknown))
	}
	return "", nil, errNoFailover
}

// notKnownYet says that transitions, the latest first, may have been failovers.
func notKnownYet(transitions []string) string {
	return "it is not known yet what was decided in " + count(len(transitions), "later transition") + ", the last of them " + transitions[0] + ": try again in some minutes, or name the transition"
}

// explanationTable prints what happened, the phases, the notes, and the advice.
func explanationTable(w io.Writer, e failover.Explanation) {
	row(w, e.Summary)
	if len(e.Phases) > 0 {
		row(w, "It took "+spanText(e.Total)+".")
		row(w)
		row(w, "PHASE", "BEGIN", "END", "TOOK", "ABOUT", "BY")
	}
	for _, p := range e.Phases {
		about := strings.TrimSpace(p.Resource + " " + p.Node)
		row(w, p.Name, instantText(p.Begin), instantText(p.End), spanText(p.Took), cmp.Or(about, "-"), sourcesText(p))
	}
	for _, a := range e.Advice {
		cost := (time.Duration(a.CostMS) * time.Millisecond).String()
		if a.AtMost {
			cost = "at most " + cost
		}
		row(w)
		row(w, a.Rule+", "+cost+": "+a.Text)
	}
	if len(e.Notes)+len(e.Missing) > 0 {
		row(w)
	}
	for _, n := range e.Notes {
		row(w, "("+n+")")
	}
	if len(e.Missing) > 0 {
		row(w, withoutLogs(e.Missing))
	}
}

// sourcesText are the kinds of records of a phase.
func sourcesText(p failover.Phase) string {
	var kinds []string
	for _, s := range p.Sources {
		if !slices.Contains(kinds, s.Kind) {
			kinds = append(kinds, s.Kind)
		}
	}
	text := strings.Join(kinds, ", ")
	if !p.Recorded {
		text += " (between records)"
	}
	return text
}

// instantText is an instant: exact, or between two times.
func instantText(i failover.Instant) string {
	clock := func(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05.000") }
	switch {
	case i.Earliest.IsZero() && i.Latest.IsZero():
		return "not known"
	case i.Earliest.IsZero():
		return "before " + clock(i.Latest)
	case i.Latest.IsZero():
		return "after " + clock(i.Earliest)
	case i.Earliest.Equal(i.Latest):
		return clock(i.Earliest)
	}
	return clock(i.Earliest) + " – " + i.Latest.Local().Format("15:04:05.000")
}

// spanText is a duration in seconds: exact, or between two bounds.
func spanText(s failover.Span) string {
	seconds := func(ms int64) string { return strconv.FormatFloat(float64(ms)/1000, 'f', -1, 64) }
	switch {
	case s.MaxMS < 0:
		return "at least " + seconds(s.MinMS) + " s"
	case s.MinMS == s.MaxMS:
		return seconds(s.MinMS) + " s"
	}
	return fmt.Sprintf("%s–%s s", seconds(s.MinMS), seconds(s.MaxMS))
}

// withoutLogs says that logs of nodes are missing.
func withoutLogs(nodes []string) string {
	return "(some logs are missing, because these agents have not sent them: " + strings.Join(nodes, ", ") + ")"
}
