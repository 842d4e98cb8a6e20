package imports

import (
	"fmt"
	"slices"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// putBackend carries a backend over.
func (r *reader) putBackend(i int, s template.FileSection) {
	if _, err := lb.ParseName(s.Name); err != nil {
		r.refuse(s.Header, err.Error(), "")
		return
	}
	p := r.proxy(i, s)
	spec := lb.BackendSpec{Type: "static", Mode: p.mode(), Defaults: r.defaultsName(i, s)}
	if l := p.setting("balance"); l.Words != nil {
		spec.Balance = strings.Join(l.Words[1:], " ")
		p.src.fields["balance"] = l.Number
	}
	b, err := p.backend(spec, p.members())
	if err != nil { // the servers have options of which the fields cannot say the same
		p.section = section{src: p.src}
		p.src.natives = nil
		b, err = p.backend(spec, members{})
	}
	if err != nil {
		r.refuseFields(p.src, err)
		return
	}
	r.put(lb.Edit{Backend: &b}, b, p.src)
}

// backend makes a backend of the lines, those of its servers as members if there are any.
func (p *proxy) backend(spec lb.BackendSpec, m members) (lb.Backend, error) {
	spec.Members = m.specs
	check, hasCheck := p.health(m)
	if hasCheck {
		spec.Health = &check.spec
	}
	number := 0
	for _, l := range p.file.Lines {
		switch {
		case l.Words[0] == "mode":
			p.field(l, "mode")
		case l.Words[0] == "balance":
			p.field(l, "balance")
		case hasCheck && l.Number == check.line:
			p.field(l, "health")
		case l.Words[0] == "server" && len(m.specs) > 0:
			p.field(l, fmt.Sprintf("members[%d]", number))
			number++
		default:
			p.keep(l)
		}
	}
	if len(m.options) > 0 {
		p.add("default-server "+strings.Join(m.options, " "), m.line)
	}
	spec.Natives = p.lines
	b, err := spec.Parse(lb.Name(p.file.Name))
	if err == nil {
		err = b.CheckNew()
	}
	return b, err
}

// A healthCheck is an option httpchk line as a field.
type healthCheck struct {
	spec lb.HealthSpec
	line int
}

// health reads "option httpchk [METHOD] URI", where nothing else says how servers are
// checked.
func (p *proxy) health(m members) (out healthCheck, ok bool) {
	if len(m.specs) == 0 {
		return out, false
	}
	for _, l := range append(slices.Clone(p.inherited), p.file.Lines...) {
		switch isOwn := l.Number > p.file.Header.Number; {
		case !saysHowToCheck(l.Words):
		case !isOwn:
			return out, false
		case l.Words[0] == "http-check" && len(l.Words) > 1 && l.Words[1] == "expect":
		case out.line == 0 && isPlainHTTPCheck(l.Words):
			out.line = l.Number
			out.spec.Method, out.spec.URI = "OPTIONS", l.Words[len(l.Words)-1]
			if len(l.Words) == 4 {
				out.spec.Method = l.Words[2]
			}
		default:
			return out, false
		}
	}
	return out, out.line > 0 && strings.HasPrefix(out.spec.URI, "/")
}

// saysHowToCheck reports whether a line is about the checks of servers.
func saysHowToCheck(words []string) bool {
	switch words[0] {
	case "http-check", "tcp-check":
		return true
	case "option":
		return len(words) > 1 && (strings.Contains(words[1], "chk") || strings.HasSuffix(words[1], "-check"))
	}
	return false
}

// isPlainHTTPCheck reports whether a line is "option httpchk [METHOD] URI".
func isPlainHTTPCheck(words []string) bool {
	return words[0] == "option" && words[1] == "httpchk" && (len(words) == 3 || len(words) == 4)
}
