package template

import (
	"errors"
	"fmt"
	"strings"

	"thalassa/lb"
)

// A File is a parsed haproxy.cfg of any origin, read as HAProxy reads it.
type File struct {
	Sections []FileSection
	// Directives are the lines of HAProxy's preprocessor (such as .if), from anywhere in the file.
	Directives []FileLine
	// Comments is how many lines are comments, or end in one.
	Comments int
}

// A FileSection is a section with its lines.
type FileSection struct {
	Kind, Name string
	Header     FileLine // the line that opens it
	Lines      []FileLine
}

// A FileLine is a line that is neither blank nor a comment.
type FileLine struct {
	Number int      // from 1
	Text   string   // without the blanks around it and without a comment
	Raw    []string // its words as written, quotes included
	Words  []string // the words without quotes; environment variables are not expanded
	// Expands: HAProxy expands an environment variable in this line.
	Expands bool
}

// ReadFile reads a haproxy.cfg with two parsers, which must agree on its sections. Lines may end
// with CR LF, and the text may begin with the byte order mark that some editors write before UTF-8.
// The error is an *lb.InvalidError that names lines.
func ReadFile(text []byte) (File, error) {
	r := fileReader{}
	number := 0
	for line := range strings.Lines(strings.TrimPrefix(string(text), "\ufeff")) {
		number++
		if r.fe.Full() {
			break
		}
		if err := r.add(number, strings.TrimRight(line, "\r\n")); err != nil {
			r.fe.Add(fmt.Sprint("line ", number), err.Error()+": "+abridged(line), "")
		}
	}
	if err := r.fe.Err(); err != nil {
		return File{}, err
	}
	if err := confirmSectionsOf(r.document); err != nil {
		return File{}, &lb.InvalidError{Fields: []lb.FieldError{{Path: "config", Problem: err.Error()}}}
	}
	return r.file, nil
}

// A fileReader collects the lines of a file.
type fileReader struct {
	file     File
	document document
	fe       lb.FieldErrors
}

// add adds one line.
func (r *fileReader) add(number int, text string) error {
	l, err := newLine(number, text)
	if err != nil {
		return err
	}
	r.document.lines = append(r.document.lines, l)
	sections, directives := len(r.document.sections), r.document.directives
	if err := r.document.add(l); err != nil {
		return err
	}
	kept := strings.Join(l.raw, " ")
	if strings.Contains(strings.TrimPrefix(strings.TrimSpace(text), kept), "#") || len(l.raw) == 0 && strings.TrimSpace(text) != "" {
		r.file.Comments++
	}
	if len(l.words) == 0 {
		return nil
	}
	w, err := lb.SplitWords(text)
	if err != nil {
		return err
	}
	line := FileLine{Number: number, Text: kept, Raw: l.raw, Words: l.words, Expands: w.Expands}
	switch {
	case r.document.directives > directives:
		r.file.Directives = append(r.file.Directives, line)
	case len(r.document.sections) > sections:
		s := r.document.sections[sections]
		r.file.Sections = append(r.file.Sections, FileSection{Kind: s.kind, Name: s.name, Header: line})
	case len(r.file.Sections) == 0:
		return errors.New("is outside of any section")
	default:
		last := &r.file.Sections[len(r.file.Sections)-1]
		last.Lines = append(last.Lines, line)
	}
	return nil
}

// confirmSectionsOf has the library find the sections of a document as well.
func confirmSectionsOf(d document) error {
	p, err := readWithLibrary(string(d.appendOutline(nil)))
	if err != nil {
		return fmt.Errorf("reading the file: %w", err)
	}
	return confirmSections(p, d)
}
