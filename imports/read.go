package imports

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// The bounds of a file.
const (
	// MaxSize is in bytes.
	MaxSize = 2 << 20
	// MaxLines is the number of lines. Each takes some kilobytes while it is read.
	MaxLines = 50_000
)

// Options say how a file is read. The zero value changes nothing that exists.
type Options struct {
	// Hostname of this node: the name of the local peer where the file has none.
	Hostname string
	// Replace: objects of the same names are replaced. Without it, one that differs is an error.
	Replace bool
}

// An Import is the result of reading a file.
type Import struct {
	// Edits put every object of the file, also those that exist and do not change.
	Edits  []lb.Edit
	Report Report

	sources []source // of each edit
}

// Read turns the text of a haproxy.cfg into edits of what is configured now. The error is an
// *lb.InvalidError that names each line that is refused, e.g. "line 12", and nothing is
// carried over then.
func Read(text []byte, now lb.Intent, o Options) (Import, error) {
	if err := checkText(text); err != nil {
		return Import{}, err
	}
	file, err := template.ReadFile(text)
	if err != nil {
		return Import{}, err
	}
	r := &reader{file: file, now: now, options: o, outcomes: map[int]Line{}}
	r.read()
	if err := r.refused(); err != nil {
		return Import{}, err
	}
	if len(r.edits) == 0 {
		return Import{}, &lb.InvalidError{Fields: []lb.FieldError{{Path: "config", Problem: "has no line that is carried over: Thalassa decides on all of them", Expected: "frontends, backends or other sections"}}}
	}
	return Import{Edits: r.edits, Report: r.report(), sources: r.sources}, nil
}

// checkText refuses what cannot be a haproxy.cfg. The error is an *lb.InvalidError.
func checkText(text []byte) error {
	var fe lb.FieldErrors
	switch at := bytes.IndexByte(text, 0); {
	case len(text) > MaxSize:
		fe.Add("config", fmt.Sprintf("has %d bytes", len(text)), fmt.Sprintf("at most %d", MaxSize))
	case bytes.Count(text, []byte("\n")) > MaxLines:
		fe.Add("config", fmt.Sprintf("has %d lines", bytes.Count(text, []byte("\n"))), fmt.Sprintf("at most %d", MaxLines))
	case len(bytes.TrimSpace(text)) == 0:
		fe.Add("config", "is empty", "the text of a haproxy.cfg")
	case at >= 0:
		fe.Add(fmt.Sprint("line ", 1+bytes.Count(text[:at], []byte("\n"))), "holds a zero byte", "the text of a haproxy.cfg")
	}
	return fe.Err()
}

// A reader turns sections into edits.
type reader struct {
	file    template.File
	now     lb.Intent
	options Options

	defaults []*defaults // in the order of the file
	global   section     // all global sections in one
	backends map[string]bool
	edits    []lb.Edit
	sources  []source
	outcomes map[int]Line // by number
	problems []problem
}

// A problem is a line that is refused.
type problem struct {
	number         int
	what, expected string
}

// A source says which lines of the file an object is made of.
type source struct {
	header  int
	natives []int          // of each raw line
	fields  map[string]int // of fields, e.g. "bind"
}

// at is the number of the line that a field is made of.
func (s source) at(field string) int {
	var i int
	if n, err := fmt.Sscanf(field, "natives[%d]", &i); err == nil && n == 1 && i < len(s.natives) {
		return s.natives[i]
	}
	field, _, _ = strings.Cut(strings.Map(func(r rune) rune {
		if r == '[' {
			return '.'
		}
		return r
	}, field), ".")
	return cmp.Or(s.fields[field], s.header)
}

func (r *reader) read() {
	for _, l := range r.file.Directives {
		r.refuse(l, "is a condition of HAProxy's preprocessor", "the lines that hold on this node, without the condition")
	}
	r.check()
	r.nameDefaults()
	for i, s := range r.file.Sections {
		r.section(i, s)
	}
	r.localPeer()
	r.putGlobal()
}

// check refuses what HAProxy and Thalassa would read in two ways: variables of the
// environment, sections without a name, and two of a name.
func (r *reader) check() {
	r.backends = map[string]bool{}
	first := map[string]int{}
	for _, s := range r.file.Sections {
		r.checkHeader(s)
		title := s.Kind + " " + s.Name
		if at := first[title]; at > 0 && s.Kind != lb.SectionGlobal && title != lb.SectionDefaults+" " {
			r.refuse(s.Header, fmt.Sprintf("opens the section of line %d for the second time", at), "each section once")
		}
		first[title] = s.Header.Number
		if s.Kind == "backend" {
			r.backends[s.Name] = true
		}
		for _, l := range s.Lines {
			if l.Expands || isAddressed(l) && strings.Contains(l.Text, "$") {
				what, expected := variable(l.Text)
				r.refuse(l, what, expected)
			}
		}
	}
}

var variableName = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)

// variable says that a line uses a variable of the environment, which HAProxy would find
// another value of where the agent starts it, or none.
func variable(text string) (what, expected string) {
	name := ""
	if m := variableName.FindStringSubmatch(text); m != nil {
		name = m[1]
	}
	switch name {
	case "":
		return "uses a variable of the environment, which Thalassa's HAProxy does not have", "its value"
	case "HOSTNAME":
		return "uses the variable HOSTNAME of the environment, which Thalassa's HAProxy does not have", "the name of this node; that of the local peer may be given with --hostname NAME instead"
	case "HAPROXY_LOCALPEER":
		return "uses the variable HAPROXY_LOCALPEER, the name of the local peer", "that name; localpeer NAME in the global section, or --hostname NAME, says it for the peers"
	}
	return "uses the variable " + name + " of the environment, which Thalassa's HAProxy does not have", "its value"
}

// isAddressed reports whether a line has an address, in which HAProxy replaces variables
// without quotes, too.
func isAddressed(l template.FileLine) bool {
	return slices.Contains([]string{"bind", "server", "server-template", "source", "dispatch", "log", "peer", "nameserver", "mailer"}, l.Words[0])
}

func (r *reader) checkHeader(s template.FileSection) {
	words := s.Header.Words
	isProxy := slices.Contains([]string{"frontend", "backend", lb.SectionListen, lb.SectionDefaults}, s.Kind)
	_, hasParent := parent(s)
	switch {
	case !isProxy && !slices.Contains(lb.SectionKinds(), s.Kind):
		r.refuse(s.Header, "opens a section of a kind that is not carried over", "no such section, or one in the template")
	case s.Header.Expands:
		what, expected := variable(s.Header.Text)
		r.refuse(s.Header, what, expected)
	case len(words) == 1 && s.Kind != lb.SectionGlobal && s.Kind != lb.SectionDefaults:
		r.refuse(s.Header, "has no name", s.Kind+" NAME")
	case s.Kind == lb.SectionGlobal && len(words) > 1, len(words) > 2 && !(isProxy && hasParent && len(words) == 4):
		r.refuse(s.Header, "has words that are not understood", "the name of the section, and for proxies also from DEFAULTS")
	}
}

// parent is the section of defaults that the header of a section names.
func parent(s template.FileSection) (string, bool) {
	words := s.Header.Words
	if len(words) == 4 && words[2] == "from" {
		return words[3], true
	}
	return "", false
}

// refuse notes a line that cannot be carried over.
func (r *reader) refuse(l template.FileLine, what, expected string) {
	r.problems = append(r.problems, problem{l.Number, what + ": " + l.Text, expected})
}

// refused is the error about all lines that are refused, by number.
func (r *reader) refused() error {
	slices.SortStableFunc(r.problems, func(a, b problem) int { return a.number - b.number })
	var fe lb.FieldErrors
	for i, p := range r.problems {
		if i == 0 || p != r.problems[i-1] {
			fe.Add(fmt.Sprint("line ", p.number), p.what, p.expected)
		}
	}
	return fe.Err()
}

// section carries one section over; i is its place in the file.
func (r *reader) section(i int, s template.FileSection) {
	switch s.Kind {
	case lb.SectionGlobal:
		r.addGlobal(s)
	case lb.SectionDefaults:
		r.putDefaults(s)
	case "frontend":
		r.putFrontend(i, s)
	case "backend":
		r.putBackend(i, s)
	default:
		r.putSection(i, s)
	}
}

// put notes the edit of an object that was made of lines.
func (r *reader) put(e lb.Edit, object lb.Object, src source) {
	have := r.now.Object(object.ID())
	if have != nil && have.ETag() != object.ETag() && !r.options.Replace {
		r.problems = append(r.problems, problem{
			src.header, object.ID() + " exists already and is another one", "another name, or an import that replaces it",
		})
	}
	r.edits = append(r.edits, e)
	r.sources = append(r.sources, src)
}

// refuseFields names the lines behind the fields of an error.
func (r *reader) refuseFields(src source, err error) {
	invalid, ok := err.(*lb.InvalidError) //nolint:errorlint // made by lb's parsers, never wrapped
	if !ok {
		r.problems = append(r.problems, problem{src.header, err.Error(), ""})
		return
	}
	for _, f := range invalid.Fields {
		what := f.Problem
		if !strings.HasPrefix(f.Path, "natives") {
			what = f.Path + ": " + what
		}
		r.problems = append(r.problems, problem{src.at(f.Path), what, f.Expected})
	}
}
