package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
)

func newDraft(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "draft",
		Short: "Collect changes, look at them, and commit them as one",
		Long: `A draft collects changes before they are carried out. "frontends", "backends", "sections"
and "apply" take --draft: they show and change the draft, and nothing else. Without a
subcommand this command lists the drafts.`,
		Example: `  thalassa draft new week-31 --message "next week"
  echo '{"type": "static"}' | thalassa backends put later - --draft week-31
  thalassa draft diff week-31
  thalassa draft commit week-31`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.NewDrafts(c).List(cmd.Context())
			if err != nil {
				return err
			}
			return r.show(list, func(w io.Writer) { showDrafts(w, list) })
		},
	}
	r.flags(cmd)
	cmd.AddCommand(newDraftNew(r), newDraftDiff(r), newDraftEdits(r), newDraftUndo(r), newDraftMessage(r), newDraftCommit(r), newDraftRebase(r), newDraftDrop(r), newDraftDelete(r))
	return cmd
}

func showDrafts(w io.Writer, list []client.Draft) {
	row(w, "DRAFT", "CHANGED", "AUTHOR", "OBJECTS", "CONFLICTS", "MESSAGE")
	for _, d := range list {
		row(w, d.ID, d.Changed.Local().Format(time.DateTime), orDash(d.Author), len(d.Objects), len(d.Conflicts), orDash(d.Message))
	}
}

func newDraftNew(r *remote) *cobra.Command {
	var message string
	cmd := &cobra.Command{
		Use: "new [DRAFT]", Short: "Begin a draft, with a number unless it gets a name", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.NewDrafts(c).Begin(cmd.Context(), strings.Join(args, ""), message)
			if err != nil {
				return err
			}
			return r.show(d, func(w io.Writer) { row(w, "draft "+d.ID) })
		},
	}
	cmd.Flags().StringVarP(&message, "message", "m", "", "`text` that the history shows with the change")
	return cmd
}

func newDraftDiff(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "diff DRAFT", Short: "Show what a draft changes, and whether it can be committed", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.NewDrafts(c).Difference(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if d.Problem == "" {
				return r.showPreview(d.Preview)
			}
			return r.show(d, func(w io.Writer) {
				showChanges(w, d.Preview.Changes)
				row(w, "cannot be committed: "+d.Problem)
				showText(w, d.Output)
			})
		},
	}
}

func newDraftEdits(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "edits DRAFT", Short: "List the last requests that changed a draft, newest first", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			list, err := client.NewDrafts(c).Edits(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return r.show(list, func(w io.Writer) {
				row(w, "EDIT", "TIME", "AUTHOR", "REQUEST", "OBJECTS")
				for _, e := range list {
					row(w, e.Number, e.Time.Local().Format(time.DateTime), orDash(e.Author), e.Method+" "+e.Path, strings.Join(e.Objects, ", "))
				}
			})
		},
	}
}

func newDraftUndo(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "undo DRAFT", Short: "Take the last edit of a draft back", Args: arguments,
		Example: `  thalassa draft new week-33
  echo '{"type": "static"}' | thalassa backends put extra - --draft week-33
  thalassa draft undo week-33`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.NewDrafts(c).Undo(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return r.show(d, func(w io.Writer) { row(w, "draft "+d.ID+" changes "+count(len(d.Objects), "object")) })
		},
	}
}

func newDraftMessage(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "message DRAFT TEXT", Short: "Change what a draft is for", Args: arguments,
		Example: `  thalassa draft new week-34
  thalassa draft message week-34 "after the sale"`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.NewDrafts(c).Rename(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			return r.show(d, func(w io.Writer) { row(w, "draft "+d.ID+": "+orDash(d.Message)) })
		},
	}
}

func newDraftCommit(r *remote) *cobra.Command {
	var how client.Restore
	cmd := &cobra.Command{
		Use: "commit DRAFT", Short: "Carry out a draft as one change, and delete it", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			changed, err := client.NewDrafts(c).Commit(cmd.Context(), args[0], how)
			if err != nil {
				return err
			}
			return r.showChanged(changed)
		},
	}
	instanceFlags(cmd, "commit", &how.Force, &how.Wait)
	cmd.Flags().StringVarP(&how.Message, "message", "m", "", "`text` for the history, instead of the draft's")
	return cmd
}

func newDraftRebase(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "rebase DRAFT", Short: "Let a draft win over what others have changed since", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.NewDrafts(c).Rebase(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return r.show(d, func(w io.Writer) { row(w, fmt.Sprintf("draft %s has no conflicts", d.ID)) })
		},
	}
}

func newDraftDrop(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "drop DRAFT OBJECT...", Short: "Take what a draft changes of objects out of it", Args: arguments,
		Example: `  thalassa draft new week-32
  echo '{"type": "static"}' | thalassa backends put spare - --draft week-32
  thalassa draft drop week-32 backend/spare`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			d, err := client.NewDrafts(c).Drop(cmd.Context(), args[0], args[1:])
			if err != nil {
				return err
			}
			return r.show(d, func(w io.Writer) { row(w, fmt.Sprintf("draft %s changes %d objects", d.ID, len(d.Objects))) })
		},
	}
}

func newDraftDelete(r *remote) *cobra.Command {
	return &cobra.Command{
		Use: "delete DRAFT", Short: "Delete a draft", Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			if err := client.NewDrafts(c).Delete(cmd.Context(), args[0]); err != nil {
				return err
			}
			deleted := struct {
				Deleted string `json:"deleted"`
			}{args[0]}
			return r.show(deleted, func(w io.Writer) { row(w, "draft "+args[0]+" deleted") })
		},
	}
}
