package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

const (
	// MaxDrafts is the maximum number of drafts of the configuration at the same time.
	MaxDrafts = 50
	// MaxDraftEdits is the maximum number of edits of a draft.
	MaxDraftEdits = 500
	// maxDraftBytes bounds the bodies of a draft's edits together.
	maxDraftBytes = 2 << 20
)

// A Draft is a change of the configuration that is collected before it is made, and events
// that its simulation supposes. It is a list of edits that are made on top of what is
// configured, so that changes by others show at once. A Draft is not changed after it was
// made.
type Draft struct {
	// ID is a name of lb.ParseName, which whoever began it chose, or a number.
	ID      string
	Author  string // who began it; empty: it is not known who
	Message string // what for
	// Listed: others than the author see it.
	Listed         bool
	Begun, Changed time.Time
	// Number is that of the last change, from 1 on. It never falls.
	Number uint64
	Edits  []DraftEdit
	// Base are the digests that the objects that it changes had when it first did, by
	// "KIND/ID"; empty: there was none.
	Base   map[string]string
	Inject []cluster.Injection
	At     time.Time // for rules; zero: now
	// Commit is set while it is committed; nothing changes it then.
	Commit *Committing
	// Kept are nodes whose agents are known to have it as it is here, sorted. It is not stored.
	Kept []string
}

// A Committing is a commit of a draft that was begun.
type Committing struct {
	Job   string // that makes the change
	Begun time.Time
	// ID is Commit of that job: another job may have had the same key. Node is whose agent has begun
	// the commit. Empty: an agent that does not note them has.
	ID, Node string
	// Writing: its job is known to others, and may make the change at any time.
	Writing bool
}

// Is reports whether it is the same commit as another one.
func (c *Committing) Is(o *Committing) bool {
	return c != nil && o != nil && c.Job == o.Job && c.ID == o.ID && c.Begun.Equal(o.Begun)
}

// IsBy reports whether a job is the one of the commit.
func (c *Committing) IsBy(j cluster.Job) bool {
	return j.ID == c.Job && j.Kind == cluster.JobConfigure && (c.ID == "" || j.Commit == c.ID)
}

// A DraftEdit is an edit of a draft. It has secrets.
type DraftEdit struct {
	Number uint64
	Author string
	Time   time.Time
	Edit   Edit // without conditions
}

// Name is the draft for people.
func (d Draft) Name() string { return "cluster/drafts/" + d.ID }

// Version is what stands in entity tags in place of the version of the CIB, so that they
// change with the draft.
func (d Draft) Version(version string) string {
	return version + "/" + d.ID + "." + strconv.FormatUint(d.Number, 10)
}

// Text is the edit in a line without its body: "PUT primitives/vip".
func (e DraftEdit) Text() string {
	text := e.Edit.Op + " " + e.Edit.name()
	if e.Edit.To != "" {
		text += " to " + e.Edit.To
	}
	return text
}

// View is a configuration with what the draft changes. The error says which edit cannot be
// made any more, because others have changed the configuration: an *lb.ConflictError.
func (d Draft) View(configuration *cibxml.Element, version string) (*cibxml.Element, error) {
	view := configuration.Clone()
	err := Apply(view, version, d.edits())
	if failed, ok := errors.AsType[*lb.EditError](err); ok {
		e := d.Edits[failed.Index]
		return nil, &lb.ConflictError{
			ID: d.Name(), Reason: fmt.Sprintf("edit %d, %s, cannot be made any more: %v", e.Number, e.Text(), failed.Err), By: d.Conflicts(configuration),
		}
	}
	return view, err
}

func (d Draft) edits() []Edit {
	out := make([]Edit, len(d.Edits))
	for i, e := range d.Edits {
		out[i] = e.Edit
	}
	return out
}

// With is the draft with further edits. Conditions of these are about what the draft shows.
// Errors are those of View and Apply, and an *lb.ConflictError where it would be too large.
func (d Draft) With(configuration *cibxml.Element, version string, edits []Edit, author string, now time.Time) (Draft, error) {
	view, err := d.View(configuration, version)
	if err != nil {
		return d, err
	}
	if err := Apply(view, d.Version(version), edits); err != nil {
		return d, err
	}
	out := d
	out.Edits = slices.Clone(d.Edits)
	for _, e := range edits {
		out.Number++
		e.IfMatch, e.IfNone = nil, false
		out.Edits = append(out.Edits, DraftEdit{Number: out.Number, Author: author, Time: now, Edit: e})
	}
	out.Changed = now
	out.setBase(configuration, view)
	return out, out.Check()
}

// Without is the draft without one of its edits. Others may need it: the error is then that of
// Apply. *lb.NotFoundError: there is no such edit.
func (d Draft) Without(configuration *cibxml.Element, version string, number uint64, now time.Time) (Draft, error) {
	i := slices.IndexFunc(d.Edits, func(e DraftEdit) bool { return e.Number == number })
	if i < 0 {
		return d, &lb.NotFoundError{ID: d.Name() + "/edits/" + strconv.FormatUint(number, 10)}
	}
	out := d
	out.Edits = slices.Delete(slices.Clone(d.Edits), i, i+1)
	out.Number++
	out.Changed = now
	view, err := out.View(configuration, version)
	if err != nil {
		return d, err
	}
	out.setBase(configuration, view)
	return out, nil
}

// Rebased is the draft without conflicts: what others have changed of its objects is replaced
// by what the draft wants. The error is that of View.
func (d Draft) Rebased(configuration *cibxml.Element, version string, now time.Time) (Draft, error) {
	view, err := d.View(configuration, version)
	if err != nil {
		return d, err
	}
	out := d
	out.Base, out.Changed = nil, now
	out.Number++
	out.setBase(configuration, view)
	return out, nil
}

// setBase notes the digests of objects that the draft changes now, keeps those that it has,
// and forgets those of objects that it does not change any more.
func (d *Draft) setBase(configuration, view *cibxml.Element) {
	now, then := Digests(configuration), Digests(view)
	base := map[string]string{}
	note := func(name string) {
		if now[name] == then[name] {
			return
		}
		base[name] = now[name]
		if was, ok := d.Base[name]; ok {
			base[name] = was
		}
	}
	for name := range now {
		note(name)
	}
	for name := range then {
		note(name)
	}
	d.Base = base
}

// Objects are the objects that the draft changes: "KIND/ID", sorted.
func (d Draft) Objects() []string { return slices.Sorted(maps.Keys(d.Base)) }

// Conflicts lists the objects that somebody else has changed since the draft first did,
// sorted.
func (d Draft) Conflicts(configuration *cibxml.Element) []string {
	now, out := Digests(configuration), []string{}
	for name, base := range d.Base {
		if now[name] != base {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// Changes are the edits that make what the draft wants of a configuration. They are refused
// if somebody changes one of its objects before they are made. The error is an
// *lb.ConflictError that names the objects of Conflicts, or that of View.
func (d Draft) Changes(configuration *cibxml.Element, version string) ([]Edit, error) {
	if conflicts := d.Conflicts(configuration); len(conflicts) > 0 {
		return nil, &lb.ConflictError{ID: d.Name(), Reason: strings.Join(conflicts, ", ") + " changed since the draft did", By: conflicts}
	}
	if _, err := d.View(configuration, version); err != nil {
		return nil, err
	}
	edits := []Edit{}
	for _, name := range d.Objects() {
		kind, id, _ := strings.Cut(name, "/")
		edits = append(edits, Edit{Op: Unchanged, Kind: Kind(kind), ID: id, Digest: d.Base[name]})
	}
	return append(edits, d.edits()...), nil
}

// Check refuses a draft that is larger than one may be. The error is an *lb.ConflictError.
func (d Draft) Check() error {
	size := 0
	for _, e := range d.Edits {
		size += len(e.Edit.Body)
	}
	switch {
	case len(d.Edits) > MaxDraftEdits:
		return &lb.ConflictError{ID: d.Name(), Reason: fmt.Sprintf("would have more than %d edits: commit or drop it first", MaxDraftEdits)}
	case len(d.Inject) > cluster.MaxInjections:
		return &lb.ConflictError{ID: d.Name(), Reason: fmt.Sprintf("would suppose more than %d events: remove some first", cluster.MaxInjections)}
	case size > maxDraftBytes:
		return &lb.ConflictError{ID: d.Name(), Reason: fmt.Sprintf("would be larger than %d bytes: commit or drop it first", maxDraftBytes)}
	}
	return nil
}
