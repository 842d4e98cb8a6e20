package cli

import (
	"cmp"
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
)

// clusterPast is what the command asks about.
type clusterPast struct {
	from, to, node, resource, tag, author, with, imported string
	limit                                                 int
	operations, log                                       bool
}

func newClusterHistory(o *onNode) *cobra.Command {
	var past clusterPast
	cmd := o.agentCommand(&cobra.Command{
		Use:   "history [TRANSITION]",
		Short: "Show what the cluster went through: its transitions, or one of them",
		Long: `Shows the transitions of the cluster, the latest first. Each is a run of Pacemaker's
scheduler, with its decisions. With TRANSITION, shows what the scheduler decided and why,
what had changed in the configuration and who changed it, and which operations had ended
before. With --log or --operations, shows lines of logs or results of operations instead.

The agent has the transitions that its node decided as the DC. With the agent's setting
session-key-file, it also has those of the other nodes.`,
		Example: `  thalassa cluster history --since 24h
  thalassa cluster history --resource vip --from 2026-11-29T13:00:00Z --to 2026-11-29T15:00:00Z
  thalassa cluster history --author ann
  thalassa cluster history --operations --node lb2
  thalassa cluster history 20261129T130211Z-input-12-1a2b3c4d --log
  thalassa cluster history at 2026-11-29T13:14:05Z`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			switch {
			case past.log:
				return o.showLog(cmd, c, args, past)
			case len(args) == 1:
				return o.showTransition(cmd, c, args[0], past)
			case past.with != "":
				return mistake(cmd, "--with: is about one transition, and none is named")
			case past.operations:
				return o.listOperations(cmd, c, past)
			}
			return o.listTransitions(cmd, c, past)
		},
	})
	past.interval(cmd)
	f := cmd.Flags()
	f.StringVar(&past.node, "node", "", "only what is about a `node`")
	f.StringVar(&past.resource, "resource", "", "only what is about a `resource`")
	f.StringVar(&past.tag, "tag", "", "only transitions with a `tag`: input, warning or error")
	f.StringVar(&past.author, "author", "", "only transitions with a configuration change by this `name`")
	f.StringVar(&past.with, "with", "", "`transition` to compare the configuration with (default: the previous one)")
	f.IntVar(&past.limit, "limit", 50, "maximum `number` of entries or lines")
	f.BoolVar(&past.operations, "operations", false, "results of operations instead of transitions")
	f.BoolVar(&past.log, "log", false, "lines of the nodes' logs instead of transitions")
	importFlag(cmd, &past.imported)
	cmd.MarkFlagsMutuallyExclusive("log", "operations")
	cmd.AddCommand(newClusterMoment(o), newHistoryExport(o), newHistoryImport(o))
	return cmd
}

// interval declares the flags of a command about an interval of the past.
func (p *clusterPast) interval(cmd *cobra.Command) {
	var since time.Duration
	f := cmd.Flags()
	f.StringVar(&p.from, "from", "", "earliest `time`, e.g. 2026-11-29T13:00:00Z")
	f.StringVar(&p.to, "to", "", "latest `time`")
	f.DurationVar(&since, "since", 0, "`duration` until now, e.g. 24h; replaces --from")
	cmd.MarkFlagsMutuallyExclusive("from", "since")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if cmd.Flags().Changed("since") {
			p.from = time.Now().Add(-since).UTC().Format(time.RFC3339)
			return positive(cmd, "since")
		}
		return nil
	}
}

// query are the parameters of a list.
func (p clusterPast) query() string {
	q := url.Values{}
	if p.limit > 0 {
		q.Set("limit", strconv.Itoa(p.limit))
	}
	for name, value := range map[string]string{"from": p.from, "to": p.to, "node": p.node, "resource": p.resource, "tag": p.tag, "author": p.author, "import": p.imported} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// localTime is a time for people.
func localTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func (o *onNode) listTransitions(cmd *cobra.Command, c client.Cluster, p clusterPast) error {
	var answer struct {
		Transitions []cluster.Transition `json:"transitions"`
		More        bool                 `json:"more"`
	}
	if err := c.Get(cmd.Context(), "/cluster/history"+p.query(), &answer); err != nil {
		return err
	}
	return o.show(answer, func(w io.Writer) {
		row(w, "TIME", "DC", "TAG", "TRANSITION", "CHANGED BY", "DECISIONS")
		for _, t := range answer.Transitions {
			row(w, localTime(t.Time), t.DC, t.Tag, t.ID, changedBy(t), decided(t))
		}
		if answer.More {
			row(w, "(there are more: --limit, --to)")
		}
	})
}

// changedBy are those who changed the configuration, in one line.
func changedBy(t cluster.Transition) string {
	var names []string
	for _, a := range t.Authors {
		if name := cmp.Or(a.Name, "somebody"); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return cmp.Or(strings.Join(names, ", "), "-")
}

// authored is a change of the configuration in one line.
func authored(a cluster.Authorship) string {
	switch {
	case a.Job != "" && a.Kind == "":
		return "job " + a.Job + ", which is not kept any more"
	case a.Job != "":
		return fmt.Sprintf("%s %s: %s %s by the agent of %s, job %s", localTime(a.Time), cmp.Or(a.Name, "somebody"), a.Kind, a.Object, a.Node, a.Job)
	case a.Client != "":
		return fmt.Sprintf("%s %s: with %s on %s", localTime(a.Time), cmp.Or(a.Name, "somebody"), a.Client, a.Node)
	}
	return fmt.Sprintf("versions of which Pacemaker has not kept who made them: %d", a.Versions)
}

// decided is what the scheduler decided in one line.
func decided(t cluster.Transition) string {
	if !t.Known {
		return "(not known yet)"
	}
	list := cluster.Summarize(t.Decisions)
	for i, text := range list {
		list[i] = strings.TrimPrefix(text, "will ")
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, "; ")
}

// showLog shows what was logged around a transition, or in an interval.
func (o *onNode) showLog(cmd *cobra.Command, c client.Cluster, args []string, p clusterPast) error {
	q := url.Values{"limit": {strconv.Itoa(p.limit)}}
	path := "/cluster/history/log"
	if len(args) == 1 {
		path = "/cluster/history/" + url.PathEscape(args[0]) + "/log"
	} else {
		if p.from == "" {
			return mistake(cmd, "--log: expected a transition, or --from or --since")
		}
		q.Set("from", p.from)
		q.Set("to", cmp.Or(p.to, time.Now().UTC().Format(time.RFC3339)))
	}
	var answer cluster.Logged
	if err := c.Get(cmd.Context(), ofImport(path+"?"+q.Encode(), p.imported), &answer); err != nil {
		return err
	}
	return o.show(answer, func(w io.Writer) {
		if answer.More {
			row(w, "(there are more before: --limit, --to)")
		}
		row(w, "TIME", "NODE", "PROGRAM", "SEVERITY", "TEXT")
		for _, l := range answer.Lines {
			row(w, l.Time.Local().Format("2006-01-02 15:04:05.000"), cmp.Or(l.Node, answer.Node), cmp.Or(l.Daemon, l.Source), cmp.Or(l.Severity, "-"), l.Text)
		}
		for _, s := range answer.Sources {
			if s.Problem != "" {
				row(w, "("+s.Name+" was not read: "+s.Problem+")")
			}
		}
		if len(answer.Missing) > 0 {
			row(w, withoutLogs(answer.Missing))
		}
	})
}

func (o *onNode) listOperations(cmd *cobra.Command, c client.Cluster, p clusterPast) error {
	var answer struct {
		Operations []cluster.OperationResult `json:"operations"`
		More       bool                      `json:"more"`
	}
	if err := c.Get(cmd.Context(), "/cluster/history/operations"+p.query(), &answer); err != nil {
		return err
	}
	return o.show(answer, func(w io.Writer) {
		showOperations(w, answer.Operations)
		if answer.More {
			row(w, "(there are more: --limit, --to)")
		}
	})
}

func showOperations(w io.Writer, list []cluster.OperationResult) {
	row(w, "TIME", "NODE", "RESOURCE", "OPERATION", "CODE", "TOOK", "REASON")
	for _, r := range list {
		name := r.Name
		if r.IntervalMS > 0 {
			name += " every " + (time.Duration(r.IntervalMS) * time.Millisecond).String()
		}
		row(w, localTime(r.Time), r.Node, r.Resource, name, strconv.Itoa(r.Code), (time.Duration(r.DurationMS) * time.Millisecond).String(), r.Reason)
	}
}

func (o *onNode) showTransition(cmd *cobra.Command, c client.Cluster, id string, p clusterPast) error {
	path := "/cluster/history/" + url.PathEscape(id)
	var answer struct {
		Transition struct {
			cluster.Transition

			Before string `json:"before,omitempty"`
			After  string `json:"after,omitempty"`
		} `json:"transition"`
		Decisions cluster.Prediction `json:"decisions"`
		Diff      struct {
			From    string                       `json:"from"`
			To      string                       `json:"to"`
			Change  *cluster.ConfigurationChange `json:"change,omitempty"`
			Authors []cluster.Authorship         `json:"authors"`
			Objects []struct {
				Object string `json:"object"`
				Before string `json:"before"`
				After  string `json:"after"`
			} `json:"objects"`
		} `json:"diff"`
	}
	with := ""
	if p.with != "" {
		with = "?" + url.Values{"with": {p.with}}.Encode()
	}
	for sub, into := range map[string]any{"": &answer.Transition, "/decisions": &answer.Decisions, "/diff" + with: &answer.Diff} {
		if err := c.Get(cmd.Context(), ofImport(path+sub, p.imported), into); err != nil {
			return err
		}
	}
	t := answer.Transition
	return o.show(answer, func(w io.Writer) {
		row(w, "Transition:", t.ID)
		row(w, "Time:", localTime(t.Time))
		row(w, "DC:", t.DC)
		row(w, "Version:", t.Epoch.String())
		row(w, "Before, after:", t.Before, t.After)
		row(w, "")
		row(w, "Decisions:")
		for _, d := range answer.Decisions.Actions {
			row(w, "  "+strings.Join(cluster.Summarize([]cluster.Consequence{d}), ""), d.Reason)
		}
		if len(answer.Diff.Authors)+len(answer.Diff.Objects) > 0 {
			row(w, "")
			row(w, "Configuration:")
		}
		for _, a := range answer.Diff.Authors {
			row(w, "  "+authored(a))
		}
		for _, d := range answer.Diff.Objects {
			row(w, "  "+d.Object)
		}
		if len(t.Operations) > 0 {
			row(w, "")
			showOperations(w, t.Operations)
		}
	})
}
