package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/cluster"
)

// consoleDraft is the part of a draft that is shown.
type consoleDraft struct {
	ID        string    `json:"id"`
	Author    string    `json:"author"`
	Message   string    `json:"message"`
	Listed    bool      `json:"listed"`
	Changed   time.Time `json:"changed"`
	Objects   []string  `json:"objects"`
	Conflicts []string  `json:"conflicts"`
	Commit    string    `json:"commit"` // the job that commits it; empty: none does
	Kept      []string  `json:"kept"`   // the nodes whose agents have it
	Edits     []struct {
		Number       uint64
		Method, Path string
	} `json:"edits"`
	Inject []struct {
		Number int
		Text   string
	} `json:"inject"`
}

func newClusterDraft(o *onNode) *cobra.Command {
	cmd := o.agentCommand(&cobra.Command{
		Use:   "draft",
		Short: "Collect changes of the cluster's configuration, look at them, and commit them as one",
		Long: `A draft collects changes of the cluster's configuration before they are made, and events
that its simulation supposes. "cluster config --draft" shows and changes it. Only whoever
began a draft sees it, unless it is listed. Without a subcommand this command lists the
drafts.`,
		Example: `  thalassa cluster draft new week-31 --message "next week"
  thalassa cluster config put primitives web web.json --draft week-31
  thalassa cluster draft inject week-31 --node lb1=unclean
  thalassa cluster draft diff week-31
  thalassa cluster draft commit week-31`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			var raw json.RawMessage
			if err := c.Get(cmd.Context(), "/cluster/drafts", &raw); err != nil {
				return err
			}
			var list []consoleDraft
			if err := json.Unmarshal(raw, &list); err != nil {
				return fmt.Errorf("reading the agent's answer: %w", err)
			}
			return o.show(raw, func(w io.Writer) {
				row(w, "DRAFT", "CHANGED", "AUTHOR", "LISTED", "OBJECTS", "CONFLICTS", "KEPT BY", "MESSAGE")
				for _, d := range list {
					row(w, d.ID, d.Changed.Local().Format(time.DateTime), orDash(d.Author), yesNo(d.Listed), len(d.Objects), len(d.Conflicts), keptBy(d), orDash(d.Message))
				}
			})
		},
	})
	cmd.AddCommand(newClusterDraftNew(o), newClusterDraftShow(o), newClusterDraftDiff(o), newClusterDraftInject(o),
		newClusterDraftUndo(o), newClusterDraftRebase(o), newClusterDraftCommit(o), newClusterDraftDrop(o))
	return cmd
}

// keptBy names the nodes whose agents have a draft: with one of them it is lost.
func keptBy(d consoleDraft) string { return orDash(strings.Join(d.Kept, ", ")) }

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// showDraft shows the draft that a request was answered with.
func (o *onNode) showDraft(answer json.RawMessage, err error) error {
	if err != nil {
		return err
	}
	var d consoleDraft
	if err := json.Unmarshal(answer, &d); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	return o.show(answer, func(w io.Writer) { draftRows(w, d) })
}

func draftRows(w io.Writer, d consoleDraft) {
	row(w, "draft "+d.ID)
	row(w, "kept by the agents of: "+keptBy(d))
	if d.Commit != "" {
		row(w, "is being committed by job/"+d.Commit)
	}
	for _, e := range d.Edits {
		row(w, fmt.Sprintf("edit %d: %s %s", e.Number, e.Method, e.Path))
	}
	for _, i := range d.Inject {
		row(w, fmt.Sprintf("supposed %d: %s", i.Number, i.Text))
	}
	if len(d.Conflicts) > 0 {
		row(w, "changed by others since: "+strings.Join(d.Conflicts, ", "))
	}
}

func newClusterDraftNew(o *onNode) *cobra.Command {
	var body struct {
		ID      string `json:"id,omitempty"`
		Message string `json:"message,omitempty"`
		Listed  bool   `json:"listed,omitempty"`
	}
	cmd := &cobra.Command{
		Use: "new [DRAFT]", Short: "Begin a draft, with a number unless it gets a name", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			body.ID = strings.Join(args, "")
			return o.showDraft(c.Post(cmd.Context(), "/cluster/drafts", body, 0))
		},
	}
	cmd.Flags().StringVarP(&body.Message, "message", "m", "", "`text` that says what for")
	cmd.Flags().BoolVar(&body.Listed, "listed", false, "others see it")
	return cmd
}

func newClusterDraftShow(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use: "show DRAFT", Short: "Show the edits and supposed events of a draft", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			var answer json.RawMessage
			err = c.Get(cmd.Context(), client.ClusterDraftPath(args[0]), &answer)
			return o.showDraft(answer, err)
		},
	}
}

func newClusterDraftDiff(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use: "diff DRAFT", Short: "Show what a draft changes, and what the cluster would do", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error { return o.diff(cmd, args[0]) },
	}
}

// diff shows what a draft changes.
func (o *onNode) diff(cmd *cobra.Command, id string) error {
	c, err := o.console(cmd)
	if err != nil {
		return err
	}
	var answer json.RawMessage
	if err := c.Get(cmd.Context(), client.ClusterDraftPath(id, "diff"), &answer); err != nil {
		return err
	}
	return o.showForeseen(answer)
}

// foreseen is the part of the answer to a simulation that is shown.
type foreseen struct {
	Problem    string             `json:"problem"`
	Changes    []string           `json:"changes"`
	Warnings   []string           `json:"warnings"`
	Simulation cluster.Prediction `json:"simulation"`
}

func (o *onNode) showForeseen(answer json.RawMessage) error {
	var seen foreseen
	if err := json.Unmarshal(answer, &seen); err != nil {
		return fmt.Errorf("reading the agent's answer: %w", err)
	}
	for _, w := range seen.Warnings {
		fmt.Fprintln(o.env.Stderr, "thalassa: WARNING:", w)
	}
	p := seen.Simulation
	return o.show(answer, func(w io.Writer) {
		if seen.Problem != "" {
			row(w, "cannot be committed: "+seen.Problem)
		}
		for _, line := range seen.Changes {
			row(w, line)
		}
		for _, line := range p.Supposed {
			row(w, "suppose that "+line)
		}
		for _, a := range p.Actions {
			line := cluster.Summarize([]cluster.Consequence{a})[0]
			if a.Reason != "" {
				line += " (" + a.Reason + ")"
			}
			row(w, line)
		}
		if len(p.Actions) == 0 {
			textRows(w, cluster.Consequences{})
		}
		if p.Graph.Depth > 0 {
			row(w, fmt.Sprintf("%s, %d one after the other, up to %d at the same time", count(steps(p.Graph), "step"), p.Graph.Depth, p.Graph.Width))
		}
	})
}

// steps counts those that do something.
func steps(g cluster.Graph) int {
	n := 0
	for _, s := range g.Steps {
		if s.Kind != cluster.StepPseudo {
			n++
		}
	}
	return n
}

func newClusterDraftInject(o *onNode) *cobra.Command {
	var supposing supposing
	var remove int
	cmd := &cobra.Command{
		Use: "inject DRAFT", Short: "Add events that the simulation of a draft supposes, or remove one", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			path := client.ClusterDraftPath(args[0], "injections")
			if remove > 0 {
				return o.showDraft(c.Drop(cmd.Context(), path+"/"+strconv.Itoa(remove)))
			}
			list, err := supposing.events(cmd)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				return mistake(cmd, "expected --node, --op, --ticket, --quorum or --remove")
			}
			var answer json.RawMessage
			for _, i := range list {
				if answer, err = c.Post(cmd.Context(), path, i, 0); err != nil {
					return err
				}
			}
			return o.showDraft(answer, nil)
		},
	}
	supposing.flags(cmd)
	cmd.Flags().IntVar(&remove, "remove", 0, "`number` of an event to remove")
	return cmd
}

func newClusterDraftUndo(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use: "undo DRAFT EDIT", Short: "Take an edit out of a draft, by its number", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			return o.showDraft(c.Drop(cmd.Context(), client.ClusterDraftPath(args[0], "edits", args[1])))
		},
	}
}

func newClusterDraftRebase(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use: "rebase DRAFT", Short: "Let a draft win over what others have changed since", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			return o.showDraft(c.Post(cmd.Context(), client.ClusterDraftPath(args[0], "rebase"), struct{}{}, 0))
		},
	}
}

func newClusterDraftCommit(o *onNode) *cobra.Command {
	var wait time.Duration
	cmd := &cobra.Command{
		Use: "commit DRAFT", Short: "Make what a draft changes as one change, and drop it", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			path := client.ClusterDraftPath(args[0], "commit")
			if wait > 0 {
				path += "?wait=" + wait.String()
			}
			answer, err := c.Post(cmd.Context(), path, struct{}{}, wait)
			if err != nil {
				return err
			}
			return o.showOutcome(answer)
		},
	}
	cmd.Flags().DurationVar(&wait, "wait", 0, "maximum `time` to wait for the final state (default 2m)")
	return cmd
}

func newClusterDraftDrop(o *onNode) *cobra.Command {
	return &cobra.Command{
		Use: "drop DRAFT", Short: "Delete a draft", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := o.console(cmd)
			if err != nil {
				return err
			}
			if _, err := c.Drop(cmd.Context(), client.ClusterDraftPath(args[0])); err != nil {
				return err
			}
			dropped := struct {
				Dropped string `json:"dropped"`
			}{args[0]}
			return o.show(dropped, func(w io.Writer) { row(w, "draft "+args[0]+" dropped") })
		},
	}
}
