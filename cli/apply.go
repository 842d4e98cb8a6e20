package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"thalassa/client"
	"thalassa/manifest"
)

// maxManifest is the maximum size of a file that is applied.
const maxManifest = 16 << 20

// An application is `thalassa apply`.
type application struct {
	*remote
	path    string
	dryRun  bool
	prune   bool
	force   bool
	wait    time.Duration
	message string
}

func newApply(env environment) *cobra.Command {
	a := &application{remote: &remote{env: env}}
	cmd := &cobra.Command{
		Use:   "apply",
		Short: "Make frontends, backends and raw sections equal to files",
		Long: `Makes frontends, backends and raw sections equal to those in a YAML or JSON file, or in
all such files of a directory, as one change: all of it takes effect, with one reload at
most, or nothing does. What is equal already stays as it is. The command prints what it
changes.

  frontends:
    web: {bind: "*:80", backend: live}
  backends:
    live: {type: dynamic, name: shop, version: "1.0.0"}
  sections:
    global: {natives: ["maxconn 2000"]}
    userlist/staff: {natives: ["user ann password $5$..."]}

With --prune, frontends, backends and raw sections that no file has are deleted.
Certificates stay. With --dry-run the command shows the difference, of haproxy.cfg too, and
changes nothing.`,
		Example: `  thalassa export > lb.yaml
  thalassa apply -f lb.yaml --dry-run
  thalassa apply -f lb.yaml --message "from the repository"`,
		Args: arguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.run(cmd) },
	}
	a.flags(cmd)
	a.draftFlag(cmd)
	changeFlags(cmd, &a.dryRun, &a.message)
	instanceFlags(cmd, "apply", &a.force, &a.wait)
	f := cmd.Flags()
	f.StringVarP(&a.path, "filename", "f", "", "`path` of a file or directory; -: standard input")
	f.BoolVar(&a.prune, "prune", false, "delete frontends, backends and raw sections that no file has")
	return cmd
}

func (a *application) run(cmd *cobra.Command) error {
	if a.path == "" {
		return mistake(cmd, "--filename is missing, expected the path of a file or directory")
	}
	objects, err := a.read()
	if err == nil && len(objects) == 0 { // with --prune it would delete everything
		err = fmt.Errorf("%s has no frontend, backend or section", a.path)
	}
	if err != nil {
		return usageError{err}
	}
	c, err := a.client(cmd.Context())
	if err != nil {
		return err
	}
	ids, err := a.objects(cmd.Context(), c, objects)
	if err != nil {
		return err
	}
	set, err := a.changeset(ids, objects)
	if err != nil {
		return err
	}
	if a.dryRun {
		preview, err := client.NewChangesets(c).Preview(cmd.Context(), set)
		if err != nil {
			return naming(ids, err)
		}
		return a.showPreview(preview)
	}
	changed, err := client.NewChangesets(c).Apply(cmd.Context(), set, a.wait)
	if err != nil {
		return naming(ids, err)
	}
	return a.showChanged(changed)
}

// read reads the file, or all files of the directory.
func (a *application) read() (manifest.Objects, error) {
	if a.path == "-" {
		const name = "standard input"
		data, err := readAtMost(a.env.Stdin, name, maxManifest)
		if err != nil {
			return nil, err
		}
		return manifest.Parse(name, data)
	}
	files := []string{a.path}
	info, err := os.Stat(a.path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		if files, err = manifestsIn(a.path); err != nil {
			return nil, err
		}
	}
	all := manifest.Objects{}
	for _, file := range files {
		objects, err := readManifest(file)
		if err != nil {
			return nil, err
		}
		if err := all.Add(file, objects); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// manifestsIn lists the files of YAML and JSON in a directory and below it, sorted. Hidden
// files and directories are left out. A link to a directory is refused: with --prune, objects in
// files that are not read would be deleted.
func manifestsIn(dir string) ([]string, error) {
	dir, err := filepath.EvalSymlinks(dir) // which WalkDir does not follow
	if err != nil {
		return nil, err
	}
	var files []string
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != dir && entry.Name()[0] == '.' && entry.IsDir():
			return fs.SkipDir
		case entry.IsDir() || entry.Name()[0] == '.':
		case slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(path))):
			files = append(files, path)
			return checkRegular(path)
		case entry.Type()&fs.ModeSymlink != 0:
			if info, err := os.Stat(path); err == nil && info.IsDir() {
				return fmt.Errorf("%s is a link to a directory, expected the directory itself", path)
			}
		}
		return nil
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no file that ends in .yaml, .yml or .json", dir)
	}
	return files, err
}

// checkRegular refuses what is no file, as a pipe that nobody writes to. A link to a file is
// one.
func checkRegular(path string) error {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is no regular file", path)
	}
	return err
}

func readManifest(path string) (manifest.Objects, error) {
	data, err := readBounded(path, maxManifest)
	if err != nil {
		return nil, err
	}
	return manifest.Parse(path, data)
}

// objects lists the objects to change, in the order of the edits: with --prune first those that the
// files do not have, which are deleted.
func (a *application) objects(ctx context.Context, c *client.Client, wanted manifest.Objects) ([]manifest.ID, error) {
	if !a.prune {
		return wanted.IDs(), nil
	}
	present, err := exported(ctx, c)
	if err != nil {
		return nil, err
	}
	surplus := slices.DeleteFunc(present.IDs(), func(id manifest.ID) bool {
		_, isWanted := wanted[id]
		return isWanted
	})
	return append(surplus, wanted.IDs()...), nil
}

// changeset has an edit for each of the objects: it puts those that the files have, and deletes the
// others.
func (a *application) changeset(ids []manifest.ID, wanted manifest.Objects) (client.Changeset, error) {
	set := client.Changeset{Message: a.message}
	for _, id := range ids {
		body, isWanted := wanted[id]
		if !isWanted {
			set.Edits = append(set.Edits, client.Edit{Method: http.MethodDelete, Path: pathOf(id)})
			continue
		}
		body, err := a.withOptions(id, body)
		if err != nil {
			return set, err
		}
		set.Edits = append(set.Edits, client.Edit{Method: http.MethodPut, Path: pathOf(id), Body: body})
	}
	return set, nil
}

// withOptions adds force and wait to the body of a backend.
func (a *application) withOptions(id manifest.ID, body json.RawMessage) (json.RawMessage, error) {
	if id.Kind != manifest.Backends || !a.force && a.wait == 0 {
		return body, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("%s: %w", id, err)
	}
	options := map[string]any{}
	if a.force {
		options["force"] = true
	}
	if a.wait != 0 {
		options["wait"] = a.wait.String()
	}
	for name, value := range options {
		encoded, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		fields[name] = encoded
	}
	return json.Marshal(fields)
}

func pathOf(id manifest.ID) string {
	switch id.Kind {
	case manifest.Frontends:
		return client.FrontendPath(id.Key)
	case manifest.Sections:
		return client.SectionPath(id.Key)
	}
	return client.BackendPath(id.Key)
}

// naming is an error about edits that names their objects as the files do: these do not number them.
func naming(ids []manifest.ID, err error) error {
	answer, ok := errors.AsType[*client.Error](err)
	if !ok {
		return err
	}
	named := *answer
	named.Message = nameEdits(ids, answer.Message)
	named.Fields = slices.Clone(answer.Fields)
	for i, f := range named.Fields {
		named.Fields[i].Path = nameEdits(ids, f.Path)
	}
	return &named
}

// nameEdits replaces the number of an edit at the beginning of a text, as in
// "edits[3].body.bind", by the object, as in "frontends/web.bind".
func nameEdits(ids []manifest.ID, text string) string {
	number, rest, ok := strings.Cut(strings.TrimPrefix(text, "edits["), "]")
	i, err := strconv.Atoi(number)
	if !ok || err != nil || i < 0 || i >= len(ids) {
		return text
	}
	return ids[i].String() + strings.TrimPrefix(rest, ".body")
}

// showPreview tells what a change would do.
func (r *remote) showPreview(p client.Preview) error {
	return r.show(p, func(w io.Writer) {
		showChanges(w, p.Changes)
		switch {
		case len(p.Changes) == 0:
			row(w, "no change")
		case p.Path == "reload":
			row(w, count(len(p.Changes), "object")+" would change, with a reload of HAProxy:")
			for _, reason := range p.Reasons {
				row(w, "  "+reason)
			}
		default:
			row(w, count(len(p.Changes), "object")+" would change, without a reload")
		}
		for _, warning := range p.Warnings {
			row(w, "warning: "+warning)
		}
		showText(w, p.Config)
	})
}

// showChanged tells what a change has done. One that is not in effect ends the command
// with exitUnavailable.
func (r *remote) showChanged(c client.Changed) error {
	if len(c.Changes) == 0 && c.Applied.Applied {
		return r.show(c, func(w io.Writer) { row(w, fmt.Sprintf("no change (revision %d)", c.Revision)) })
	}
	if r.output != "json" {
		if err := r.show(c, func(w io.Writer) { showChanges(w, c.Changes) }); err != nil {
			return err
		}
	}
	return r.showApplied(count(len(c.Changes), "object")+" changed", c, c.Applied)
}

// showChanges prints a line for each object, and below it one for each field that differs.
func showChanges(w io.Writer, changes []client.Change) {
	for _, change := range changes {
		before, after := fieldsOf(change.Before), fieldsOf(change.After)
		switch {
		case before == nil:
			row(w, "+ "+change.ID)
		case after == nil:
			row(w, "- "+change.ID)
		default:
			row(w, "~ "+change.ID)
			for _, name := range slices.Sorted(maps.Keys(union(before, after))) {
				if was, is := before[name], after[name]; was != is {
					row(w, fmt.Sprintf("    %s: %s → %s", name, orDash(was), orDash(is)))
				}
			}
		}
	}
}

// fieldsOf are the fields of an object as JSON texts; nil for null.
func fieldsOf(doc json.RawMessage) map[string]string {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(doc, &fields); err != nil || fields == nil {
		return nil
	}
	out := make(map[string]string, len(fields))
	for name, value := range fields {
		out[name] = string(value)
	}
	return out
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}
