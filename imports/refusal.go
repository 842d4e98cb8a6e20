package imports

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// place is how HAProxy names a line in its messages: [FILE:NUMBER].
var place = regexp.MustCompile(`\[([^\]\[]+):([0-9]+)\]`)

// blameRefused is HAProxy's refusal with the lines of the file in the place of those of the
// haproxy.cfg that was made of it. Places in lines of others stay as they are.
func (im Import) blameRefused(e *lb.RefusedError) *lb.RefusedError {
	if e.Config == nil {
		return e
	}
	made, err := template.ReadFile(e.Config)
	if err != nil { // HAProxy has read more of it
		return e
	}
	lines := im.linesBehind(made)
	out := *e
	out.Output = place.ReplaceAllStringFunc(e.Output, func(text string) string {
		m := place.FindStringSubmatch(text)
		number, err := strconv.Atoi(m[2])
		if err != nil || m[1] != e.Path || lines[number] == 0 {
			return text
		}
		return fmt.Sprintf("[line %d]", lines[number])
	})
	return &out
}

// fieldsOf are the fields that lines of a section are made of, by their keywords.
func fieldsOf(keyword string) string {
	switch keyword {
	case "default_backend":
		return "backend"
	case "server":
		return "members"
	case "use_backend", "acl":
		return "rules"
	case "option", "http-check":
		return "health"
	}
	return keyword // bind, mode, balance
}

// linesBehind are the numbers of the lines of the file by those of the haproxy.cfg that was
// made of it.
func (im Import) linesBehind(made template.File) map[int]int {
	out := map[int]int{}
	for _, s := range made.Sections {
		i := slices.IndexFunc(im.Edits, func(e lb.Edit) bool { return e.ID() == objectID(s) })
		if i < 0 {
			continue
		}
		src, texts := im.sources[i], rawTexts(im.Edits[i].Object())
		out[s.Header.Number] = src.header
		next := 0 // raw lines stand together, in their order
		for _, l := range s.Lines {
			at := slices.Index(texts[min(next, len(texts)):], strings.Join(l.Raw, " "))
			if at < 0 || next+at >= len(src.natives) {
				out[l.Number] = src.at(fieldsOf(l.Words[0]))
				continue
			}
			out[l.Number] = src.natives[next+at]
			next += at + 1
		}
	}
	return out
}

// objectID is that of the object that a section of haproxy.cfg is made of.
func objectID(s template.FileSection) string {
	switch {
	case s.Kind == "frontend", s.Kind == "backend":
		return s.Kind + "/" + s.Name
	case s.Name == "":
		return "section/" + s.Kind
	}
	return "section/" + s.Kind + "/" + s.Name
}

// rawTexts are the raw lines of an object as a file has them.
func rawTexts(o lb.Object) []string {
	lines := lb.Match(o,
		func(f lb.Frontend) []lb.RawLine { return f.Natives },
		func(b lb.Backend) []lb.RawLine { return b.Natives },
		func(s lb.Section) []lb.RawLine { return s.Natives },
		nil,
	)
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = string(l)
		if w, err := lb.SplitWords(string(l)); err == nil {
			out[i] = strings.Join(w.Raw, " ")
		}
	}
	return out
}
