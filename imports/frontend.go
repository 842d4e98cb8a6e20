package imports

import (
	"fmt"
	"slices"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// A proxy is a frontend or backend that is carried over.
type proxy struct {
	*reader

	id        string
	file      template.FileSection
	inherited []template.FileLine
	section
}

func (r *reader) proxy(i int, s template.FileSection) *proxy {
	p := &proxy{reader: r, id: s.Kind + "/" + s.Name, file: s, inherited: r.inherited(i, s)}
	p.src = source{header: s.Header.Number, fields: map[string]int{}}
	r.note(s.Header, Field, p.id, "key", "")
	return p
}

// keep makes a raw line of a line.
func (p *proxy) keep(l template.FileLine) {
	text, note := p.text(l)
	p.note(l, Raw, p.id, fmt.Sprintf("natives[%d]", len(p.lines)), note)
	p.add(text, l.Number)
}

// field notes that a field says what a line says.
func (p *proxy) field(l template.FileLine, field string) {
	p.note(l, Field, p.id, field, "")
	field, _, _ = strings.Cut(field, "[")
	p.src.fields[field] = l.Number
}

// setting is the last line of the proxy, or else of its defaults, that begins with the
// keyword; its words are nil where there is none.
func (p *proxy) setting(keyword string) template.FileLine {
	for _, lines := range [][]template.FileLine{p.file.Lines, p.inherited} {
		for _, l := range slices.Backward(lines) {
			if l.Words[0] == keyword && len(l.Words) > 1 {
				return l
			}
		}
	}
	return template.FileLine{}
}

// mode is that of the proxy: HAProxy's default is tcp.
func (p *proxy) mode() string {
	l := p.setting("mode")
	if l.Words == nil {
		return "tcp"
	}
	p.src.fields["mode"] = l.Number
	return l.Words[1]
}

// putFrontend carries a frontend over.
func (r *reader) putFrontend(i int, s template.FileSection) {
	p := r.proxy(i, s)
	spec := lb.FrontendSpec{Mode: p.mode(), Defaults: r.defaultsName(i, s), Keepalive: "default"}
	binds := p.binds()
	spec.Bind = strings.Join(binds, ",")
	rules := p.rules()
	spec.Rules = rules.specs
	for _, l := range s.Lines {
		switch {
		case l.Words[0] == "mode":
			p.field(l, "mode")
		case l.Words[0] == "bind" && spec.Bind != "":
			p.field(l, "bind")
		case l.Words[0] == "default_backend" && len(l.Words) == 2 && p.isBackend(l.Words[1]):
			p.field(l, "backend")
			spec.Backend = l.Words[1]
		case keepalive(l) != "" && spec.Mode == "http":
			p.field(l, "keepalive")
			spec.Keepalive = keepalive(l)
		case rules.lines[l.Number] != "":
			p.field(l, rules.lines[l.Number])
		default:
			p.keep(l)
		}
	}
	spec.Natives = p.lines
	f, err := spec.Parse(lb.Name(s.Name))
	if err == nil {
		err = f.CheckNew()
	}
	if _, nameErr := lb.ParseName(s.Name); nameErr != nil {
		r.refuse(s.Header, nameErr.Error(), "")
		return
	}
	if err != nil {
		r.refuseFields(p.src, err)
		return
	}
	r.put(lb.Edit{Frontend: &f}, f, p.src)
}

// keepalive is the value of the field for a line that chooses how connections end; empty:
// it is none, or has no value of its own.
func keepalive(l template.FileLine) string {
	if len(l.Words) != 2 || l.Words[0] != "option" {
		return ""
	}
	return map[string]string{"httpclose": "close", "http-server-close": "server-close"}[l.Words[1]]
}

func (p *proxy) isBackend(name string) bool {
	_, exists := p.now.Backends[lb.Name(name)]
	return p.backends[name] || exists
}

// binds are the addresses of the frontend as the field has them; nil: they stay raw lines,
// because several lines have options of their own.
func (p *proxy) binds() []string {
	var out []string
	plain := true
	for _, l := range p.file.Lines {
		if l.Words[0] != "bind" || len(l.Words) < 2 {
			continue
		}
		plain = plain && len(l.Words) == 2
		text, _ := p.text(l)
		out = append(out, strings.TrimSpace(strings.TrimPrefix(text, "bind")))
	}
	if len(out) > 1 && !plain {
		return nil
	}
	probe := lb.FrontendSpec{Bind: strings.Join(out, ","), Backend: "x"}
	if f, err := probe.Parse("x"); err != nil || f.CheckNew() != nil || len(out) == 1 && !plain && f.RawBind == "" {
		return nil
	}
	return out
}
