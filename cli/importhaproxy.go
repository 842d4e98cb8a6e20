package cli

import (
	"context"
	"fmt"
	"io"

	"thalassa/api/node"
	"thalassa/client"
)

// maxHAProxyFile is the maximum size of a haproxy.cfg that is imported.
const maxHAProxyFile = 2 << 20

// A haproxyImport is `thalassa import FILE`.
type haproxyImport struct {
	*remote
	dryRun bool
	how    client.FileImport
}

func (i *haproxyImport) run(ctx context.Context, path string) error {
	imports, file, err := i.openImport(ctx, path, maxHAProxyFile)
	if err != nil {
		return err
	}
	if i.dryRun {
		preview, err := imports.PreviewHAProxy(ctx, file, file.Size(), i.how)
		if err != nil {
			return err
		}
		return i.showImportPreview(preview, preview.Preview, func(w io.Writer) { showLines(w, preview.ImportedFile) })
	}
	done, err := imports.HAProxy(ctx, file, file.Size(), i.how)
	if err != nil {
		return err
	}
	return i.showImported(done, done.Changed, func(w io.Writer) { showLines(w, done.ImportedFile) })
}

// showLines prints what became of each line.
func showLines(w io.Writer, f node.ImportedFile) {
	for _, l := range f.Lines {
		became := l.Object
		if l.Field != "" {
			became += " " + l.Field
		}
		if became == "" {
			became = l.Outcome
		}
		row(w, fmt.Sprintf("%4d", l.Number), l.Text, became, l.Note)
	}
}
