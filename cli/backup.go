package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/api/node"
	"thalassa/backup"
	"thalassa/client"
	"thalassa/internal/safefile"
)

func newBackup(env environment) *cobra.Command {
	r := &remote{env: env}
	var keys keyFlags
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Save frontends, backends, settings of members and drafts in a file",
		Long: `Saves what operators asked for in a file that "thalassa restore" reads: frontends and
backends with their raw lines, the states and weights of single members, and drafts. The
agent keeps running; the backup is of one moment. With - as FILE it is printed.

Tokens, sessions, the audit log, the history of changes, and the settings and the template
of the agent are not in it. The private keys of certificates are in it only with
--with-keys, encrypted for the passphrase in a file, or one that is asked for.

The file is checked before it takes the place of an earlier one of that name, and only
its owner can read it.`,
		Example: `  thalassa backup lb.backup
  thalassa restore lb.backup --dry-run`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := r.client(cmd.Context())
			if err != nil {
				return err
			}
			passphrase, err := keys.forBackup(r, cmd)
			if err != nil {
				return err
			}
			if args[0] == "-" {
				var out bytes.Buffer
				if _, err := fetchBackup(cmd.Context(), c, passphrase, &out); err != nil {
					return err
				}
				_, err := env.exact.Write(out.Bytes())
				return err
			}
			saved, err := saveBackup(cmd.Context(), c, passphrase, args[0])
			if err != nil {
				return err
			}
			return r.show(saved, func(w io.Writer) {
				row(w, fmt.Sprintf("%s saved: revision %d, %s, %d bytes", saved.File, saved.Revision, countEntries(saved.Entries), saved.Bytes))
			})
		},
	}
	r.flags(cmd)
	f := cmd.Flags()
	f.BoolVar(&keys.with, "with-keys", false, "save the private keys of certificates, encrypted")
	f.StringVar(&keys.file, "passphrase-file", "", "`file` with the passphrase (default: asks for it)")
	return cmd
}

// countEntries is how many things a backup has.
func countEntries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// A savedBackup is what the command prints of a backup in a file.
type savedBackup struct {
	File     string    `json:"file"`
	Bytes    int       `json:"bytes"`
	Time     time.Time `json:"time"`
	Revision uint64    `json:"revision"`
	Entries  int       `json:"entries"`
}

// fetchBackup reads a backup of an agent, and checks that it is whole.
func fetchBackup(ctx context.Context, c *client.Client, passphrase string, out *bytes.Buffer) (backup.Header, error) {
	if err := client.NewBackups(c).Make(ctx, out, passphrase); err != nil {
		return backup.Header{}, err
	}
	h, err := checkBackup(bytes.NewReader(out.Bytes()))
	if err != nil {
		return h, fmt.Errorf("the agent's answer is no backup: %w", err)
	}
	return h, nil
}

func checkBackup(r io.Reader) (backup.Header, error) {
	return backup.Read(r, func(backup.Entry) error { return nil })
}

// replaceable is the path of a regular file that will be replaced, or that there is not yet. A
// symbolic link is followed.
func replaceable(path string) (string, error) {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return "", usageError{fmt.Errorf("%s is not a regular file", path)}
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", usageError{err}
	}
	return path, nil
}

// saveBackup replaces a file with a backup in one step.
func saveBackup(ctx context.Context, c *client.Client, passphrase, path string) (savedBackup, error) {
	path, err := replaceable(path)
	if err != nil {
		return savedBackup{}, err
	}
	var out bytes.Buffer
	h, err := fetchBackup(ctx, c, passphrase, &out)
	if err != nil {
		return savedBackup{}, err
	}
	if err := safefile.Replace(path, out.Bytes(), nil); err != nil {
		return savedBackup{}, fmt.Errorf("saving the backup: %w", err)
	}
	return savedBackup{File: path, Bytes: out.Len(), Time: h.Time, Revision: h.Revision, Entries: h.Entries}, nil
}

// A restoration is `thalassa restore`.
type restoration struct {
	*remote
	dryRun  bool
	restore client.Restore
	keys    keyFlags
}

func newRestore(env environment) *cobra.Command {
	b := &restoration{remote: &remote{env: env}}
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore what a backup has",
		Long: `Makes all frontends and backends as they are in a file of "thalassa backup", as one
change: all of it takes effect, with one reload at most, or nothing does. Objects that the
backup does not have are deleted; "thalassa rollback" goes back.

Then the states and weights of members, and the drafts, are restored as well. A member
that has such a setting now keeps it, and so does a draft of the same name.

If the file has the private keys of certificates, the command takes the passphrase from a
file, or asks for it at a terminal. Without it the keys are not restored.

The whole file is checked first. With --dry-run the command shows the difference, of
haproxy.cfg too, and changes nothing.`,
		Example: `  thalassa restore lb.backup --dry-run
  thalassa restore lb.backup --message "new disk"`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error { return b.run(cmd, args[0]) },
	}
	b.flags(cmd)
	changeFlags(cmd, &b.dryRun, &b.restore.Message)
	instanceFlags(cmd, "restore", &b.restore.Force, &b.restore.Wait)
	cmd.Flags().StringVar(&b.keys.file, "passphrase-file", "", "`file` with the passphrase of the keys (default: asks for it)")
	return cmd
}

func (b *restoration) run(cmd *cobra.Command, path string) error {
	ctx := cmd.Context()
	data, header, err := b.read(path)
	if err != nil {
		return usageError{err}
	}
	passphrase, err := b.keys.forRestore(b.remote, header, path)
	if err != nil {
		return err
	}
	c, err := b.client(ctx)
	if err != nil {
		return err
	}
	backups, size := client.NewBackups(c).WithPassphrase(passphrase), int64(len(data))
	if b.dryRun {
		preview, err := backups.Preview(ctx, bytes.NewReader(data), size, b.restore)
		if err != nil {
			return err
		}
		return b.showBackupPreview(preview)
	}
	restored, err := backups.Restore(ctx, bytes.NewReader(data), size, b.restore)
	if err != nil {
		return err
	}
	return b.showRestored(restored)
}

// read reads a backup, and checks that it is whole.
func (b *restoration) read(path string) ([]byte, backup.Header, error) {
	in, name := b.env.Stdin, "standard input"
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, backup.Header{}, err
		}
		defer file.Close()
		in, name = file, path
	}
	var data bytes.Buffer
	header, err := checkBackup(io.TeeReader(in, &data))
	if err != nil {
		return nil, header, fmt.Errorf("%s: %w", name, err)
	}
	return data.Bytes(), header, nil
}

func (b *restoration) showBackupPreview(p client.BackupPreview) error {
	if b.output == "json" {
		return b.show(p, nil)
	}
	if err := b.showPreview(p.Preview); err != nil {
		return err
	}
	return b.show(p, func(w io.Writer) { showRest(w, p.Restored, "would be restored") })
}

func (b *restoration) showRestored(r client.RestoredBackup) error {
	if b.output == "json" {
		return b.showApplied("", r, r.Applied)
	}
	if err := b.show(r, func(w io.Writer) { showRest(w, r.Restored, "restored") }); err != nil {
		return err
	}
	if err := b.show(r, func(w io.Writer) { showChanges(w, r.Changes) }); err != nil {
		return err
	}
	return b.showApplied(count(len(r.Changes), "object")+" changed", r, r.Applied)
}

// showRest prints what a restore does besides changing frontends and backends.
func showRest(w io.Writer, r node.Restored, done string) {
	for _, m := range r.Members {
		text := "backend/" + m.Backend + " member " + m.Member + ": " + strings.TrimSpace(m.State+" "+m.Weight)
		if !m.Until.IsZero() {
			text += " until " + m.Until.Local().Format(time.DateTime)
		}
		row(w, text+" "+done)
	}
	for _, id := range r.Drafts {
		row(w, "draft "+id+" "+done)
	}
	for _, id := range r.Kept {
		row(w, "draft "+id+" exists already, and stays as it is")
	}
}
