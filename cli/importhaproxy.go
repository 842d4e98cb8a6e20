package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

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

// showLines prints what became of each line, and where HAProxy will behave differently.
func showLines(w io.Writer, f node.ImportedFile) {
	defer showDifferences(w, f.Differences)
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

// showDifferences prints where HAProxy will behave differently from the original.
func showDifferences(w io.Writer, list []node.ImportDifference) {
	if len(list) == 0 {
		return
	}
	row(w, "HAProxy will behave differently from the original:")
	for _, d := range list {
		row(w, "  "+someOf(d.Objects)+": "+d.Setting+": "+orDash(d.Before)+" → "+orDash(d.After)+differenceNote(d))
	}
}

// differenceNote says where the original says it, and why it is different.
func differenceNote(d node.ImportDifference) string {
	var notes []string
	if len(d.Lines) > 0 {
		lines := make([]string, len(d.Lines))
		for i, n := range d.Lines {
			lines[i] = strconv.Itoa(n)
		}
		notes = append(notes, "line "+someOf(lines))
	}
	if d.Why != "" {
		notes = append(notes, d.Why)
	}
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, "; ") + ")"
}

// someOf lists a few of several words.
func someOf(list []string) string {
	const most = 5
	if more := len(list) - most; more > 0 {
		list = append(slices.Clone(list[:most]), fmt.Sprintf("%d more", more))
	}
	return strings.Join(list, ", ")
}
