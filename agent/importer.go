package agent

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"thalassa/lb"
	"thalassa/store"
)

// An importer takes over the persistence file of an earlier installation. What it cannot
// take over, it leaves out and names: an import keeps neither HAProxy nor the agent down.
type importer struct {
	cfg       *Config
	inputs    *inputs
	templates *templateFile
	renderer  *renderer

	left atomic.Pointer[[]string] // warnings of this run
}

// importChecks bounds how often HAProxy is asked about what is imported.
const importChecks = 50

// take reads the file and leaves out what HAProxy refuses. found is false without a file.
func (i *importer) take(ctx context.Context) (im store.Import, found bool, err error) {
	im, found, err = store.ImportPersistence(i.cfg.Persistence)
	if err != nil || !found {
		return im, found, err
	}
	i.leaveRefused(ctx, &im)
	if len(im.Left) == 0 {
		return im, true, nil
	}
	kept, err := store.KeepImported(i.cfg.Persistence)
	if err != nil {
		return im, true, err
	}
	warnings := make([]string, len(im.Left))
	for n, left := range im.Left {
		warnings[n] = "not imported: " + left
		i.cfg.Logger.WarnContext(ctx, "part of the persistence file is not imported", "file", i.cfg.Persistence, "copy", kept, "reason", left)
	}
	i.left.Store(&warnings)
	return im, true, nil
}

// warnings name what the import of this run has left out, at most maxLineWarnings.
func (i *importer) warnings() []string {
	left := i.left.Load()
	if left == nil {
		return nil
	}
	return (*left)[:min(len(*left), maxLineWarnings)]
}

// leaveRefused makes HAProxy check what is imported, and leaves out the objects that it
// complains about. Where it does not say which, those with raw lines go, then all.
func (i *importer) leaveRefused(ctx context.Context, im *store.Import) {
	for n := range importChecks {
		text, refused := i.refusal(ctx, im.Intent)
		if refused == nil {
			return
		}
		ids := blamed(im.Intent, text, refused.Output)
		if len(ids) == 0 || n == importChecks-2 {
			ids = withRawLines(im.Intent)
		}
		if len(ids) == 0 || n == importChecks-1 {
			ids = allObjects(im.Intent)
		}
		for _, id := range ids {
			im.Drop(id, "HAProxy refuses it: "+strings.TrimSpace(refused.Output))
		}
	}
}

// refusal is what HAProxy says against an intent, and the text that it read; nil: nothing,
// or it cannot be asked.
func (i *importer) refusal(ctx context.Context, in lb.Intent) ([]byte, *lb.RefusedError) {
	if len(in.Frontends)+len(in.Backends)+len(in.Sections) == 0 {
		return nil, nil
	}
	tmpl := i.templates.current()
	config, _ := i.inputs.control().Strip(lb.Resolve(i.inputs.files.available(in), lb.Snapshot{}, i.cfg.tuned().processWith(i.cfg, tmpl)))
	rendered, err := i.renderer.of(tmpl, config)
	if err == nil {
		err = i.inputs.files.put(ctx, config)
	}
	if err == nil {
		err = i.cfg.HAProxy.Check(ctx, rendered.Bytes)
	}
	refused, _ := errors.AsType[*lb.RefusedError](err)
	return rendered.Bytes, refused
}

// Where HAProxy, or the check before it, names what it complains about.
var (
	complaintLine    = regexp.MustCompile(`\[[^\[\]\s]*:(\d+)\]|\bline (\d+)\b`)
	complaintSection = regexp.MustCompile(`(?i)(frontend|backend|proxy|section)[ /]+['"]?(?:(frontend|backend) )?([A-Za-z0-9_.:-]+)`)
)

// blamed lists the ids of the objects of an intent that a complaint about its text names.
func blamed(in lb.Intent, text []byte, complaint string) []string {
	var ids []string
	seen := map[string]bool{}
	add := func(id string) {
		if in.Object(id) != nil && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	lines := strings.Split(string(text), "\n")
	for _, match := range complaintLine.FindAllStringSubmatch(complaint, -1) {
		number, err := strconv.Atoi(match[1] + match[2])
		if err == nil && number <= len(lines) {
			add(sectionAt(lines[:number]))
		}
	}
	if len(ids) > 0 {
		return ids
	}
	for _, match := range complaintSection.FindAllStringSubmatch(complaint, -1) {
		kind := strings.ToLower(match[1] + match[2])
		key := strings.TrimRight(match[3], ".:")
		if !strings.HasSuffix(kind, "backend") {
			add("frontend/" + key)
		}
		if !strings.HasSuffix(kind, "frontend") {
			add("backend/" + key)
		}
	}
	return ids
}

// sectionAt is the id of the section that the last of the lines stands in; empty: none of
// a frontend or backend.
func sectionAt(lines []string) string {
	for _, line := range slices.Backward(lines) {
		words := strings.Fields(line)
		if len(words) == 0 || !lb.IsSection(words[0]) {
			continue
		}
		if len(words) > 1 && (words[0] == "frontend" || words[0] == "backend") {
			return words[0] + "/" + words[1]
		}
		return ""
	}
	return ""
}

// withRawLines lists the ids of the objects with lines that only HAProxy understands.
func withRawLines(in lb.Intent) []string {
	ids := make([]string, 0, len(in.Frontends)+len(in.Backends))
	for _, f := range in.SortedFrontends() {
		if len(f.Natives) > 0 || f.RawBind != "" {
			ids = append(ids, f.ID())
		}
	}
	for _, b := range in.SortedBackends() {
		if len(b.Natives) > 0 {
			ids = append(ids, b.ID())
		}
	}
	return append(ids, sectionIDs(in)...)
}

func sectionIDs(in lb.Intent) []string {
	ids := make([]string, 0, len(in.Sections))
	for _, s := range in.SortedSections() {
		ids = append(ids, s.ID())
	}
	return ids
}

func allObjects(in lb.Intent) []string {
	ids := make([]string, 0, len(in.Frontends)+len(in.Backends))
	for _, f := range in.SortedFrontends() {
		ids = append(ids, f.ID())
	}
	for _, b := range in.SortedBackends() {
		ids = append(ids, b.ID())
	}
	return append(ids, sectionIDs(in)...)
}
