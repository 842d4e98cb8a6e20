package imports

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
	"thalassa/template"
)

// members are the servers of a backend as members. There are none where the servers differ
// in anything but their addresses, are not checked, or have names that matter.
type members struct {
	specs   []lb.MemberSpec
	options []string // of all of them, as those of a default-server line
	line    int      // of the first
}

// sharedOptions of server lines mean the same on a default-server line. Those of the second
// list take a value.
const (
	sharedFlags  = " check-send-proxy check-ssl no-check-ssl send-proxy send-proxy-v2 ssl no-ssl "
	sharedValues = " alpn ca-file check-alpn check-sni ciphers ciphersuites crt downinter error-limit fall fastinter inter" +
		" max-reuse maxconn maxqueue minconn observe on-error on-marked-down on-marked-up pool-low-conn pool-max-conn" +
		" pool-purge-delay port proto rise slowstart sni ssl-max-ver ssl-min-ver tcp-ut verify verifyhost weight "
)

// members reads the server lines.
func (p *proxy) members() members {
	var out members
	inherited := p.serverDefaults()
	for _, l := range p.file.Lines {
		switch {
		case p.namesServers(l):
			return members{}
		case l.Words[0] != "server":
			continue
		}
		m, options, ok := p.member(l, inherited.checked)
		if !ok || p.isNamed(l.Words[1]) || len(out.specs) > 0 && !slices.Equal(options, out.options) {
			return members{}
		}
		if len(out.specs) == 0 {
			out.options, out.line = options, l.Number
		}
		out.specs = append(out.specs, m)
	}
	for _, option := range []string{"inter", "weight"} { // each server line has its own
		if value := inherited.values[option]; value != "" && !slices.Contains(out.options, option) {
			out.options = append(slices.Clone(out.options), option, value)
		}
	}
	return out
}

// serverDefaults are what default-server lines say, those of the defaults first.
type serverDefaults struct {
	checked bool
	values  map[string]string // of those in the section of defaults
}

func (p *proxy) serverDefaults() serverDefaults {
	out := serverDefaults{values: map[string]string{}}
	for _, lines := range [][]template.FileLine{p.inherited, p.file.Lines} {
		for _, l := range lines {
			if l.Words[0] != "default-server" {
				continue
			}
			for i, word := range l.Words[1:] {
				switch word {
				case "check":
					out.checked = true
				case "no-check":
					out.checked = false
				case "inter", "weight":
					out.values[word] = ""
					if i+2 < len(l.Words) && l.Number < p.file.Header.Number {
						out.values[word] = l.Words[i+2]
					}
				}
			}
		}
	}
	return out
}

// namesServers reports whether a line of the backend depends on the names or numbers of its
// servers, or on how many lines there are.
func (p *proxy) namesServers(l template.FileLine) bool {
	switch l.Words[0] {
	case "server-template", "use-server", "cookie", "http-send-name-header", "dispatch", "use-fcgi-app":
		return true
	case "hash-type":
		return slices.Contains(l.Words, "consistent")
	case "default-server":
		return slices.ContainsFunc(l.Words, func(w string) bool { return w == "no-check" || w == "disabled" || w == "init-addr" || w == "hash-key" })
	}
	return false
}

// isNamed reports whether a line of the file names a server of the backend.
func (p *proxy) isNamed(server string) bool {
	name := p.file.Name + "/" + server
	for _, s := range p.reader.file.Sections {
		for _, l := range s.Lines {
			if strings.Contains(l.Text, name) {
				return true
			}
		}
	}
	return false
}

// member reads one server line: a checked one at an address with a port.
func (p *proxy) member(l template.FileLine, checked bool) (m lb.MemberSpec, options []string, ok bool) {
	if len(l.Words) < 3 {
		return m, nil, false
	}
	text, _ := p.text(l)
	w, err := lb.SplitWords(text)
	if err != nil {
		return m, nil, false
	}
	address := w.Values[2]
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return m, nil, false
	}
	host := strings.TrimSuffix(strings.TrimPrefix(address[:i], "["), "]")
	_, hostErr := netip.ParseAddr(host)
	port, portErr := strconv.Atoi(address[i+1:])
	if hostErr != nil || portErr != nil {
		return m, nil, false
	}
	for at := 3; at < len(w.Values); at++ {
		word := w.Values[at]
		switch {
		case word == "check":
			checked = true
		case strings.Contains(sharedFlags, " "+word+" "):
			options = append(options, w.Raw[at])
		case strings.Contains(sharedValues, " "+word+" ") && at+1 < len(w.Values):
			options = append(options, w.Raw[at], w.Raw[at+1])
			at++
		default:
			return m, nil, false
		}
	}
	return lb.MemberSpec{Host: host, Port: port}, options, checked
}
