package corosync

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

const (
	// MaxBytes bounds a corosync.conf.
	MaxBytes = 256 << 10
	// maxLine is the longest line that corosync reads as one.
	maxLine = 510
	// maxDepth bounds sections inside sections; corosync has three levels.
	maxDepth = 8
)

// A SyntaxError says which line of a corosync.conf corosync would not read.
type SyntaxError struct {
	Line     int
	Expected string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("corosync.conf, line %d: expected %s", e.Line, e.Expected)
}

// An item is a line of a section: a comment or an empty line, a key with its value, or a section.
type item struct {
	raw  string // as it was read, without its line break; empty: it is written from the other fields
	key  string // empty: a comment
	text string // value of a key
	sub  *section
}

// A section has items, in their order.
type section struct {
	items []item
	end   string // the line of the closing brace, as it was read
}

// parse reads lines up to the closing brace of a section of some depth, or up to the end at depth 0.
func (p *parser) parse(depth int) (*section, error) {
	s := &section{}
	for p.next() {
		line := strings.TrimLeft(p.line, " \t")
		name, rest, opens := strings.Cut(line, "{")
		key, value, isKey := strings.Cut(line, ":")
		switch {
		case line == "" || line[0] == '#':
			s.items = append(s.items, item{raw: p.line})
		case opens:
			sub, err := p.section(name, rest, depth)
			if err != nil {
				return nil, err
			}
			s.items = append(s.items, sub)
		case isKey:
			key, value = strings.TrimSpace(key), strings.TrimSpace(value)
			if !isWord(key) {
				return nil, p.wrong("a key of letters, digits and underscores before the colon")
			}
			s.items = append(s.items, item{raw: p.line, key: key, text: value})
		case strings.TrimSpace(line) == "}":
			if depth == 0 {
				return nil, p.wrong("no closing brace outside of a section")
			}
			s.end = p.line
			return s, nil
		default:
			return nil, p.wrong("a key with a value, a section, or a closing brace alone on its line")
		}
	}
	switch {
	case p.err != nil:
		return nil, p.err
	case depth > 0:
		return nil, p.wrong("a closing brace before the end")
	}
	return s, nil
}

// section reads a section whose first line has been read.
func (p *parser) section(name, rest string, depth int) (item, error) {
	raw, name := p.line, strings.TrimSpace(name)
	switch {
	case !isWord(name):
		return item{}, p.wrong("the name of a section before the brace")
	case strings.TrimSpace(rest) != "":
		return item{}, p.wrong("nothing after the opening brace")
	case depth >= maxDepth:
		return item{}, p.wrong(fmt.Sprintf("at most %d sections inside each other", maxDepth))
	}
	sub, err := p.parse(depth + 1)
	return item{raw: raw, key: name, sub: sub}, err
}

// A parser goes through the lines of a text.
type parser struct {
	rest   string
	line   string
	number int
	err    error
}

func (p *parser) next() bool {
	if p.rest == "" || p.err != nil {
		return false
	}
	p.line, p.rest, _ = strings.Cut(p.rest, "\n")
	p.line = strings.TrimRight(p.line, " \t\r")
	p.number++
	switch {
	case len(p.line) > maxLine:
		p.err = p.wrong(fmt.Sprintf("at most %d bytes", maxLine))
	case strings.ContainsRune(p.line, 0):
		p.err = p.wrong("text without zero bytes")
	}
	return p.err == nil
}

func (p *parser) wrong(expected string) error {
	return &SyntaxError{Line: p.number, Expected: expected}
}

// isWord reports whether a text can be the name of a key or a section.
func isWord(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r != '_' && r != '-' && r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

// write appends the lines of a section.
func (s *section) write(b *bytes.Buffer, depth int) {
	indent := strings.Repeat("    ", depth)
	for _, i := range s.items {
		switch {
		case i.sub != nil && i.raw != "":
			fmt.Fprintln(b, i.raw)
		case i.sub != nil:
			fmt.Fprintf(b, "%s%s {\n", indent, i.key)
		case i.key == "" || i.raw != "":
			fmt.Fprintln(b, i.raw)
		default:
			fmt.Fprintf(b, "%s%s: %s\n", indent, i.key, i.text)
		}
		if i.sub == nil {
			continue
		}
		i.sub.write(b, depth+1)
		if i.sub.end != "" {
			fmt.Fprintln(b, i.sub.end)
		} else {
			fmt.Fprintln(b, indent+"}")
		}
	}
}

// clone returns a copy that shares nothing.
func (s *section) clone() *section {
	c := &section{items: slices.Clone(s.items), end: s.end}
	for i, it := range c.items {
		if it.sub != nil {
			c.items[i].sub = it.sub.clone()
		}
	}
	return c
}

// get returns the value of a key. corosync uses the last one.
func (s *section) get(key string) (string, bool) {
	for _, i := range slices.Backward(s.items) {
		if i.key == key && i.sub == nil {
			return i.text, true
		}
	}
	return "", false
}

// set changes the last value of a key where it is, or adds the key after the last one of the section.
func (s *section) set(key, value string) {
	at := 0
	for n, i := range slices.Backward(s.items) {
		switch {
		case i.key == "" || i.sub != nil:
		case i.key == key && i.text == value:
			return
		case i.key == key:
			indent := i.raw[:len(i.raw)-len(strings.TrimLeft(i.raw, " \t"))]
			if i.raw == "" {
				s.items[n].text = value
			} else {
				s.items[n] = item{raw: indent + key + ": " + value, key: key, text: value}
			}
			return
		default:
			at = max(at, n+1)
		}
	}
	s.items = slices.Insert(s.items, at, item{key: key, text: value})
}

// unset removes a key, wherever it is.
func (s *section) unset(key string) {
	s.items = slices.DeleteFunc(s.items, func(i item) bool { return i.key == key && i.sub == nil })
}

// sections returns all sections of a name. A name may be there several times.
func (s *section) sections(name string) []*section {
	var all []*section
	for _, i := range s.items {
		if i.key == name && i.sub != nil {
			all = append(all, i.sub)
		}
	}
	return all
}

// section returns the first section of a name, and makes it where there is none.
func (s *section) section(name string) *section {
	if all := s.sections(name); len(all) > 0 {
		return all[0]
	}
	sub := &section{}
	s.items = append(s.items, item{key: name, sub: sub})
	return sub
}
