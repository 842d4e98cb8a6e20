package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/api/node"
	"thalassa/client"
)

func newRevisions(env environment) *cobra.Command {
	r := &remote{env: env}
	limit := 20
	cmd := &cobra.Command{
		Use:   "revisions",
		Short: "List accepted changes, newest first",
		Args:  arguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > 1000 {
				return mistake(cmd, "--limit: %d is out of range, expected 1 to 1000", limit)
			}
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			list, err := c.Revisions(cmd.Context(), 0, limit)
			if err != nil {
				return err
			}
			return r.show(list, func(w io.Writer) { showRevisions(w, list) })
		},
	}
	r.flags(cmd)
	cmd.Flags().IntVarP(&limit, "limit", "n", limit, "maximum `number` of revisions")
	return cmd
}

func showRevisions(w io.Writer, list []node.Revision) {
	row(w, "REVISION", "TIME", "AUTHOR", "CAUSE", "OBJECTS", "MESSAGE")
	for _, rev := range list {
		ids := make([]string, len(rev.Changes))
		for i, change := range rev.Changes {
			ids[i] = change.ID
		}
		if len(ids) > 3 {
			ids = append(ids[:3], strconv.Itoa(len(rev.Changes)-3)+" more")
		}
		row(w, rev.Number, rev.Time.Local().Format(time.DateTime), orDash(rev.Author), rev.Cause, strings.Join(ids, ", "), orDash(rev.Message))
	}
}

func newDiff(env environment) *cobra.Command {
	r := &remote{env: env}
	cmd := &cobra.Command{
		Use:   "diff FROM TO",
		Short: "Show what has changed from one revision to another",
		Long: `Shows what has changed from one revision to another: frontends and backends with their
fields, and haproxy.cfg as far as its texts are still recorded. "thalassa revisions" lists
the numbers; 0 is the state before the first one.`,
		Example: `  thalassa diff 1 2`,
		Args:    arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			from, err := parseRevision(cmd, "FROM", args[0])
			if err != nil {
				return err
			}
			to, err := parseRevision(cmd, "TO", args[1])
			if err != nil {
				return err
			}
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			difference, err := client.NewChangesets(c).Difference(cmd.Context(), from, to)
			if err != nil {
				return err
			}
			return r.show(difference, func(w io.Writer) { showDifference(w, difference) })
		},
	}
	r.flags(cmd)
	return cmd
}

func parseRevision(cmd *cobra.Command, name, text string) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, mistake(cmd, "%s: %q is not a revision, expected its number", name, text)
	}
	return n, nil
}

func showDifference(w io.Writer, d client.Difference) {
	if len(d.Changes) == 0 {
		row(w, "no change of frontends and backends")
	}
	showChanges(w, d.Changes)
	if d.Config == nil {
		row(w, "haproxy.cfg is not recorded for both revisions")
		return
	}
	showText(w, *d.Config)
}

// showText prints a text of several lines.
func showText(w io.Writer, text string) {
	for line := range strings.Lines(text) {
		fmt.Fprint(w, printable(line, "\n\t"))
	}
}

// A rollback is `thalassa rollback`.
type rollback struct {
	*remote
	dryRun  bool
	restore client.Restore
}

func newRollback(env environment) *cobra.Command {
	b := &rollback{remote: &remote{env: env}}
	cmd := &cobra.Command{
		Use:   "rollback [REVISION]",
		Short: "Restore frontends and backends of a former revision",
		Long: `Makes all frontends and backends as they were before the newest revision, or as of any
other that is kept. The result is a new revision, so that a rollback can be rolled back.
A rollback of an A/B switch needs a healthy instance of the former version.`,
		Example: `  thalassa rollback --dry-run
  thalassa rollback 1 --message "back to the first state" --dry-run`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error { return b.run(cmd, args) },
	}
	b.flags(cmd)
	changeFlags(cmd, &b.dryRun, &b.restore.Message)
	instanceFlags(cmd, "restore", &b.restore.Force, &b.restore.Wait)
	return cmd
}

// previousRevision is the revision before the newest one.
func previousRevision(ctx context.Context, c *client.Client) (uint64, error) {
	list, err := c.Revisions(ctx, 0, 1)
	if err != nil {
		return 0, err
	}
	if len(list) == 0 {
		return 0, usageError{errors.New("there is no revision to go back from")}
	}
	if list[0].Number == 1 {
		return 0, usageError{errors.New("revision 1 is the first one; name 0 to delete all frontends and backends")}
	}
	return list[0].Number - 1, nil
}

func (b *rollback) run(cmd *cobra.Command, args []string) error {
	ctx := cmd.Context()
	c, err := b.client(ctx)
	if err != nil {
		return err
	}
	var to uint64
	if len(args) > 0 {
		to, err = parseRevision(cmd, "REVISION", args[0])
	} else {
		to, err = previousRevision(ctx, c)
	}
	if err != nil {
		return err
	}
	if b.dryRun {
		preview, err := client.NewChangesets(c).PreviewRestore(ctx, to, b.restore)
		if err != nil {
			return err
		}
		return b.showPreview(preview)
	}
	changed, err := client.NewChangesets(c).Restore(ctx, to, b.restore)
	if err != nil {
		return err
	}
	return b.showChanged(changed)
}
