package template

import (
	"errors"
	"fmt"
	"strings"

	"thalassa/lb"
)

// A section is a section of haproxy.cfg with its lines.
type section struct {
	kind, name string
	rawName    string   // as written, quotes included
	line       int      // where it opens
	header     []string // the words that open it
	lines      []line
}

// title is how the section opens: "backend live".
func (s section) title() string { return strings.TrimSpace(s.kind + " " + s.name) }

// values collects the words at position at of the lines that begin with
// keyword and have that many.
func (s section) values(keyword string, at int) []string {
	var out []string
	for _, l := range s.lines {
		if l.keyword() == keyword && len(l.words) > at {
			out = append(out, l.words[at])
		}
	}
	return out
}

// A document is a whole haproxy.cfg.
type document struct {
	lines      []line // all of them, blanks and comments too
	sections   []section
	directives int // lines of HAProxy's preprocessor
}

// scan reads text the way HAProxy does, and refuses what HAProxy and others
// could read in two ways.
func scan(text string) (document, error) {
	d := document{lines: make([]line, 0, strings.Count(text, "\n")+1)}
	number := 0
	for text := range strings.Lines(text) {
		number++
		l, err := newLine(number, strings.TrimSuffix(text, "\n"))
		d.lines = append(d.lines, l)
		if err == nil {
			err = d.add(l)
		}
		if err != nil {
			return d, fmt.Errorf("line %d %w: %s", number, err, abridged(l.text))
		}
	}
	return d, nil
}

// add puts l into the section it belongs to, or opens one.
func (d *document) add(l line) error {
	keyword := l.keyword()
	switch {
	case keyword == "":
		if len(l.words) > 0 {
			return errors.New("begins with an empty word")
		}
		return nil
	case keyword != l.raw[0]:
		return errors.New("begins with a quoted word")
	case keyword[0] == '.':
		d.directives++
	case lb.IsSection(keyword):
		s := section{kind: keyword, line: l.number, header: l.words}
		if len(l.words) > 1 {
			s.name, s.rawName = l.words[1], l.raw[1]
		}
		d.sections = append(d.sections, s)
	case (keyword == "no" || keyword == "default") && len(l.words) > 1 && lb.IsSection(l.words[1]):
		return errors.New("negates a section")
	case len(d.sections) == 0:
		return errors.New("is outside of any section")
	default:
		last := &d.sections[len(d.sections)-1]
		last.lines = append(last.lines, l)
	}
	return nil
}

// abridged shortens text for a message.
func abridged(text string) string {
	const most = 120
	text = strings.TrimSpace(text)
	if len(text) > most {
		text = text[:most] + "…"
	}
	return fmt.Sprintf("%q", text)
}
