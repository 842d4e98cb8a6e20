package imports

import (
	"errors"
	"maps"
	"slices"
	"strconv"

	"thalassa/lb"
	"thalassa/template"
)

// The outcomes of lines.
const (
	// Field: a field of an object says what the line says.
	Field = "field"
	// Raw: the line became a raw line of an object, perhaps with absolute names of files.
	Raw = "raw"
	// Replaced: Thalassa sets this itself.
	Replaced = "replaced"
)

// A Line says what became of one line of the file.
type Line struct {
	Number  int    // from 1
	Text    string // without comments
	Outcome string // Field, Raw or Replaced
	Object  string // id of the object, empty for lines that are replaced
	Field   string // of the object, e.g. "rules[0]" or "natives[3]"
	// Note says more, e.g. what replaces the line.
	Note string
}

// A Report says what became of a file.
type Report struct {
	Lines    []Line // by number, without comments and blank lines
	Comments int    // comments, which are not carried over
}

// note says what became of a line.
func (r *reader) note(l template.FileLine, outcome, object, field, note string) {
	r.outcomes[l.Number] = Line{Number: l.Number, Text: l.Text, Outcome: outcome, Object: object, Field: field, Note: note}
}

func (r *reader) report() Report {
	out := Report{Comments: r.file.Comments}
	for _, number := range slices.Sorted(maps.Keys(r.outcomes)) {
		out.Lines = append(out.Lines, r.outcomes[number])
	}
	return out
}

// Blame puts the lines of the file into an error about one of the edits, as
// lb.Intent.ApplyAll and the checks of raw lines give it, and into HAProxy's refusal. Other
// errors stay as they are.
func (im Import) Blame(err error) error {
	if refused, ok := errors.AsType[*lb.RefusedError](err); ok {
		return im.blameRefused(refused)
	}
	about, ok := errors.AsType[*lb.EditError](err)
	if !ok || about.Index >= len(im.sources) {
		return err
	}
	src, id := im.sources[about.Index], im.Edits[about.Index].ID()
	invalid, ok := errors.AsType[*lb.InvalidError](about.Err)
	if !ok {
		return about.Err
	}
	out := &lb.InvalidError{More: invalid.More}
	for _, f := range invalid.Fields {
		out.Fields = append(out.Fields, lb.FieldError{
			Path: "line " + strconv.Itoa(src.at(f.Path)), Problem: id + ": " + f.Path + ": " + f.Problem, Expected: f.Expected,
		})
	}
	return out
}
