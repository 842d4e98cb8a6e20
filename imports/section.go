package imports

import (
	"fmt"
	"strconv"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// defaults are a section of defaults under the name that it gets.
type defaults struct {
	template.FileSection

	at   int // place in the file
	name string
}

// nameDefaults gives each section of defaults a name: its own, or imported, imported-2, ….
func (r *reader) nameDefaults() {
	taken := map[string]bool{}
	for _, s := range r.file.Sections {
		taken[s.Name] = taken[s.Name] || s.Kind == lb.SectionDefaults
	}
	for i, s := range r.file.Sections {
		if s.Kind != lb.SectionDefaults {
			continue
		}
		name := s.Name
		for n := 1; name == ""; n++ {
			candidate := "imported"
			if n > 1 {
				candidate += "-" + strconv.Itoa(n)
			}
			if !taken[candidate] && r.isFree(candidate, s) {
				name = candidate
			}
		}
		taken[name] = true
		r.defaults = append(r.defaults, &defaults{s, i, name})
	}
}

// isFree reports whether a section of defaults can have a name: nothing else has it, unless
// it is to be replaced.
func (r *reader) isFree(name string, s template.FileSection) bool {
	have, ok := r.now.Sections[lb.SectionDefaults+"/"+name]
	if !ok || r.options.Replace {
		return true
	}
	made, _, err := r.rawSection(lb.SectionDefaults, name, s)
	return err == nil && made.ETag() == have.ETag()
}

// defaultsOf is the section of defaults that the section at a place begins with; nil: there
// is none.
func (r *reader) defaultsOf(i int, s template.FileSection) *defaults {
	name, named := parent(s)
	var last *defaults
	for _, d := range r.defaults {
		switch {
		case d.at > i:
			return last
		case named && d.Name == name:
			return d
		case !named:
			last = d
		}
	}
	return last
}

// without are the names of defaults that hold nothing, for proxies before any defaults.
const without = "imported-none"

// defaultsName is the name of the defaults that a proxy begins with. Where the file has
// none for it, they are an empty section, since those of the template hold more.
func (r *reader) defaultsName(i int, s template.FileSection) string {
	if d := r.defaultsOf(i, s); d != nil {
		return d.name
	}
	if name, named := parent(s); named {
		r.refuse(s.Header, "begins with the defaults "+strconv.Quote(name)+", which no line before it opens", "defaults of the file")
		return without
	}
	for _, e := range r.edits {
		if e.Section != nil && e.Section.Kind == lb.SectionDefaults && string(e.Section.Name) == without {
			return without
		}
	}
	empty := lb.Section{Kind: lb.SectionDefaults, Name: without}
	r.put(lb.Edit{Section: &empty}, empty, source{header: s.Header.Number})
	return without
}

// inherited lists the lines that a proxy has from its defaults, those that count less first.
func (r *reader) inherited(i int, s template.FileSection) []template.FileLine {
	d := r.defaultsOf(i, s)
	if d == nil {
		return nil
	}
	if _, named := parent(d.FileSection); !named || d.at >= i {
		return d.Lines
	}
	return append(r.inherited(d.at, d.FileSection), d.Lines...)
}

// putDefaults carries a section of defaults over.
func (r *reader) putDefaults(s template.FileSection) {
	for _, d := range r.defaults {
		if d.Header.Number == s.Header.Number {
			r.putRaw(lb.SectionDefaults, d.name, d.at, s)
		}
	}
}

// putSection carries a section over that stays as it is.
func (r *reader) putSection(i int, s template.FileSection) { r.putRaw(s.Kind, s.Name, i, s) }

func (r *reader) putRaw(kind, name string, i int, s template.FileSection) {
	section, src, err := r.rawSection(kind, name, s)
	if kind == lb.SectionListen {
		section.Defaults = lb.Name(r.defaultsName(i, s))
	}
	if up, named := parent(s); kind == lb.SectionDefaults && named {
		if d := r.defaultsOf(i, s); d == nil {
			r.refuse(s.Header, "begins with the defaults "+strconv.Quote(up)+", which no line before it opens", "defaults of the file")
		} else {
			section.Defaults = lb.Name(d.name)
		}
	}
	if err != nil {
		r.refuseFields(src, err)
		return
	}
	r.note(s.Header, Raw, section.ID(), "", "")
	for n, l := range r.kept(kind, s.Lines) {
		_, note := r.text(l)
		r.note(l, Raw, section.ID(), fmt.Sprintf("natives[%d]", n), note)
	}
	r.put(lb.Edit{Section: &section}, section, src)
}

// kept leaves out the lines of defaults that the template writes itself.
func (r *reader) kept(kind string, lines []template.FileLine) []template.FileLine {
	out := make([]template.FileLine, 0, len(lines))
	for _, l := range lines {
		if kind == lb.SectionDefaults && (l.Words[0] == "load-server-state-from-file" || l.Words[0] == "server-state-file-name") {
			r.note(l, Replaced, "", "", "a new worker always knows the states of servers")
			continue
		}
		out = append(out, l)
	}
	return out
}

// rawSection makes a section of the lines of one.
func (r *reader) rawSection(kind, name string, s template.FileSection) (lb.Section, source, error) {
	src := source{header: s.Header.Number}
	var spec lb.SectionSpec
	for _, l := range r.kept(kind, s.Lines) {
		text, _ := r.text(l)
		spec.Natives = append(spec.Natives, text)
		src.natives = append(src.natives, l.Number)
	}
	section, err := spec.Parse(kind, name)
	if err == nil {
		err = section.CheckNew()
	}
	return section, src, err
}

// text is a line as a raw line, with absolute names of certificates: the settings crt-base
// and ca-base are not those of this file alone.
func (r *reader) text(l template.FileLine) (text, note string) {
	raw := make([]string, len(l.Raw))
	copy(raw, l.Raw)
	changed := false
	for i := 1; i < len(l.Words); i++ {
		base := r.base(l.Words[i-1])
		name := l.Words[i]
		if base == "" || strings.HasPrefix(name, "/") || strings.HasPrefix(name, "@") || l.Raw[i] != name {
			continue
		}
		raw[i], changed = strings.TrimRight(base, "/")+"/"+name, true
	}
	if !changed {
		return l.Text, ""
	}
	text = strings.Join(raw, " ")
	return text, "written as " + text
}

// base is the directory that relative names after an option are in; empty: none.
func (r *reader) base(option string) string { return baseIn(r.file, option) }

// baseIn is base for a file.
func baseIn(f template.File, option string) string {
	var setting string
	switch option {
	case "crt", "default-crt":
		setting = "crt-base"
	case "ca-file", "ca-verify-file", "ca-sign-file", "crl-file":
		setting = "ca-base"
	default:
		return ""
	}
	value := ""
	for _, s := range f.Sections {
		for _, l := range s.Lines {
			if s.Kind == lb.SectionGlobal && l.Words[0] == setting && len(l.Words) == 2 {
				value = l.Words[1]
			}
		}
	}
	return value
}
