package cli

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"thalassa/api/node"
	"thalassa/client"
	"thalassa/pyhrapi"
)

// A pyhrapiImport is `thalassa import pyhrapi`.
type pyhrapiImport struct {
	*remote
	dryRun bool
	how    client.Restore
}

func newImportPyHrapi(env environment) *cobra.Command {
	i := &pyhrapiImport{remote: &remote{env: env}}
	cmd := &cobra.Command{
		Use:   "pyhrapi FILE",
		Short: "Import gateways and pools from a database of pyHrapi",
		Long: `Makes frontends and backends of the gateways, endpoints, pools and targets in an SQLite
file of pyHrapi, as one change: all of it takes effect, with one reload at most, or
nothing does. What has the same name is replaced, the rest stays.

The command says of each thing that it could not carry over why not, and what it has
made of values that HAProxy does not know.`,
		Example: `  thalassa import pyhrapi default.db --dry-run
  thalassa import pyhrapi default.db --message "from pyHrapi"`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, args []string) error { return i.run(cmd.Context(), args[0]) },
	}
	i.flags(cmd)
	i.draftFlag(cmd)
	changeFlags(cmd, &i.dryRun, &i.how.Message)
	return cmd
}

func (i *pyhrapiImport) run(ctx context.Context, path string) error {
	imports, file, err := i.openImport(ctx, path, pyhrapi.MaxBytes)
	if err != nil {
		return err
	}
	if i.dryRun {
		preview, err := imports.PreviewPyHrapi(ctx, file, file.Size(), i.how)
		if err != nil {
			return err
		}
		return i.showImportPreview(preview, preview.Preview, func(w io.Writer) { showLeft(w, preview.Imported) })
	}
	done, err := imports.PyHrapi(ctx, file, file.Size(), i.how)
	if err != nil {
		return err
	}
	return i.showImported(done, done.Changed, func(w io.Writer) { showLeft(w, done.Imported) })
}

func showLeft(w io.Writer, r node.Imported) {
	for _, sentence := range r.Left {
		row(w, "! "+sentence)
	}
}

// readBounded reads a file of at most so many bytes.
func readBounded(path string, most int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > most {
		return nil, tooLarge(path, most)
	}
	return readAtMost(file, path, most)
}

// readAtMost reads in, which is called name, to its end. It is an error if there is more.
func readAtMost(in io.Reader, name string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", name, err)
	case int64(len(data)) > most:
		return nil, tooLarge(name, most)
	}
	return data, nil
}

func tooLarge(name string, most int64) error {
	return fmt.Errorf("%s is larger than %d bytes", name, most)
}
