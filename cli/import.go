package cli

import (
	"bytes"
	"context"
	"io"

	"github.com/spf13/cobra"

	"thalassa/client"
)

func newImport(env environment) *cobra.Command {
	i := &haproxyImport{remote: &remote{env: env}}
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import a haproxy.cfg, or the configuration of another program",
		Long: `Makes frontends, backends, rules and raw lines of a hand-written haproxy.cfg, as one
change: all of it takes effect, with one reload at most, or nothing does. The command
says what became of each line, and names those that cannot be carried over.`,
		Example: `  thalassa import old.cfg --dry-run
  thalassa import old.cfg --message "from the old load balancer"`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error { return i.run(cmd.Context(), args[0]) },
	}
	i.flags(cmd)
	i.draftFlag(cmd)
	changeFlags(cmd, &i.dryRun, &i.how.Message)
	f := cmd.Flags()
	f.BoolVar(&i.how.Replace, "replace", false, "replace objects of the same names")
	f.StringVar(&i.how.Hostname, "hostname", "", "`name` of this node among peers, without localpeer in the file")
	cmd.AddCommand(newImportPyHrapi(env))
	return cmd
}

// openImport reads a file of at most so many bytes that is to be imported.
func (r *remote) openImport(ctx context.Context, path string, most int64) (client.Imports, *bytes.Reader, error) {
	data, err := readBounded(path, most)
	if err != nil {
		return client.Imports{}, nil, usageError{err}
	}
	c, err := r.client(ctx)
	if err != nil {
		return client.Imports{}, nil, err
	}
	return client.NewImports(c), bytes.NewReader(data), nil
}

// showImportPreview tells what an import would do: first what report says of what is
// imported. document is all of it.
func (r *remote) showImportPreview(document any, p client.Preview, report func(w io.Writer)) error {
	if r.output == "json" {
		return r.show(document, nil)
	}
	if err := r.show(document, report); err != nil {
		return err
	}
	return r.showPreview(p)
}

// showImported tells what an import has done, in the same way.
func (r *remote) showImported(document any, c client.Changed, report func(w io.Writer)) error {
	if r.output == "json" {
		return r.showApplied("", document, c.Applied)
	}
	if err := r.show(document, report); err != nil {
		return err
	}
	return r.showChanged(c)
}
