package lb

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// refusedLines says of each raw line of a frontend or backend why it may not stand
// there; empty: it leads to no control address. Where clients choose the target
// (http-request set-dst, a server without a port) that cannot be told; such a use is
// a Destination.
func (c *Control) refusedLines(lines []RawLine) []string {
	out := make([]string, len(lines))
	if c == nil {
		return out
	}
	checked := defaultCheckHosts(lines)
	for i, n := range lines {
		out[i] = c.lineRefusal(rawWords(n), checked)
	}
	return out
}

// defaultCheckHosts are the addresses at which default-server lines have servers
// checked.
func defaultCheckHosts(lines []RawLine) []word {
	var hosts []word
	for _, n := range lines {
		words := rawWords(n)
		if len(words) > 0 && words[0].text == "default-server" {
			hosts = append(append(hosts, options(words, "addr")...), options(words, "agent-addr")...)
		}
	}
	return hosts
}

// lineRefusal judges a raw line: what opens a connection somewhere, or sends there
// (HAProxy configuration manual: server, server-template, default-server, dispatch,
// http-check connect, tcp-check connect, log).
func (c *Control) lineRefusal(words, checked []word) string {
	if len(words) > 1 && (words[0].text == "no" || words[0].text == "default") {
		words = words[1:]
	}
	at := func(i int) word {
		if i < len(words) {
			return words[i]
		}
		return word{}
	}
	switch at(0).text {
	case "server":
		return c.serverRefusal(at(2), words, checked)
	case "server-template":
		return c.serverRefusal(at(3), words, checked)
	case "peer", "nameserver", "mailer":
		return c.targetRefusal(parseTarget(at(2)))
	case "dispatch":
		return c.targetRefusal(parseTarget(at(1)))
	case "log":
		return c.logRefusal(at(1))
	case "default-server":
		return c.optionsRefusal(words, target{host: "*"}, nil)
	case "http-check", "tcp-check":
		if at(1).text == "connect" {
			return c.optionsRefusal(words, target{host: "*"}, nil)
		}
	}
	return ""
}

func (c *Control) serverRefusal(address word, words, checked []word) string {
	t := parseTarget(address)
	if why := c.targetRefusal(t); why != "" {
		return why
	}
	return c.optionsRefusal(words, t, checked)
}

// logRefusal judges where a log goes: over TCP (tcp@) it is whatever log-format says,
// a request of HTTP as well. What the environment names is up to who sets it.
func (c *Control) logRefusal(address word) string {
	if strings.HasPrefix(address.text, "ring@") || strings.HasPrefix(address.text, "backend@") {
		return ""
	}
	t := parseTarget(address)
	if t.open {
		return ""
	}
	if t.port == "" {
		t.port = "514"
	}
	return c.targetRefusal(t)
}

// optionsRefusal judges where a server is checked, and the proxy it is reached
// through. What the line does not say is the server's own.
func (c *Control) optionsRefusal(words []word, server target, checked []word) string {
	for _, proxy := range options(words, "socks4") {
		if why := c.targetRefusal(parseTarget(proxy)); why != "" {
			return why
		}
	}
	for _, keys := range [][2]string{{"addr", "port"}, {"agent-addr", "agent-port"}} {
		if why := c.checkRefusal(options(words, keys[0]), options(words, keys[1]), server, checked); why != "" {
			return why
		}
	}
	return ""
}

// checkRefusal judges each of the addresses and ports that a line gives for checks,
// whichever of them counts.
func (c *Control) checkRefusal(hosts, ports []word, server target, checked []word) string {
	named, own := len(hosts) > 0, len(ports) == 0
	if !named {
		hosts = slices.Clone(checked)
		if !own {
			hosts = append(hosts, word{text: server.host})
		}
	}
	if own {
		ports = []word{{server.port, server.open}}
	}
	for i := range ports {
		if n, ok := plainPort(ports[i].text); ok && n == 0 {
			ports[i] = word{server.port, server.open}
		}
	}
	for _, h := range hosts {
		for _, p := range ports {
			t := target{host: h.text, port: p.text, open: p.open || h.open && own}
			if t.port == "" && !t.open {
				if address, err := netip.ParseAddr(t.host); named && err == nil && c.IsLocal(address) {
					return t.host + " is this node, and no port is named beside it"
				}
				continue
			}
			if why := c.targetRefusal(t); why != "" {
				return why
			}
		}
	}
	return ""
}

// options are the words after each occurrence of a keyword in a line. HAProxy takes
// the last; and one of them may be the value of another option instead.
func options(words []word, key string) []word {
	var out []word
	for i := 1; i+1 < len(words); i++ {
		if words[i].text == key {
			out = append(out, words[i+1])
		}
	}
	return out
}

// A target is an address of a raw line, as HAProxy's str2sa_range reads it.
type target struct {
	host   string // without brackets; "*": any
	port   string // as written; empty: the one that the client connected to
	socket string // path of a unix socket
	inner  bool   // a file descriptor of HAProxy's
	open   bool   // its port comes from the environment
}

// parseTarget takes an address apart. The last colon separates the port, also of an
// IPv6 address without brackets.
func parseTarget(w word) target {
	text := w.text
	if family, rest, ok := strings.Cut(text, "@"); ok {
		family = family[strings.LastIndexByte(family, '+')+1:]
		switch {
		case family == "fd" || family == "sockpair":
			return target{inner: true}
		case strings.HasPrefix(family, "unix") || strings.HasPrefix(family, "ux"):
			return target{socket: rest}
		case strings.HasPrefix(family, "abns") || family == "rhttp":
			return target{}
		}
		text = rest
	}
	if strings.HasPrefix(text, "/") {
		return target{socket: text}
	}
	t := target{host: text}
	if i := strings.LastIndexByte(text, ':'); i > strings.LastIndexByte(text, ']') {
		t.host, t.port = text[:i], text[i+1:]
	}
	t.open = w.open && (t.port == "" || strings.Contains(t.port, "$"))
	t.host = strings.TrimSuffix(strings.TrimPrefix(t.host, "["), "]")
	if t.host == "" {
		t.host = "*"
	}
	return t
}

// targetRefusal judges where a connection goes; empty: it may.
func (c *Control) targetRefusal(t target) string {
	switch {
	case t.inner:
		return "it is a file descriptor of HAProxy itself"
	case t.socket != "":
		if slices.Contains(c.Sockets, path.Clean(t.socket)) {
			return t.socket + " is a socket that administers HAProxy"
		}
		return ""
	case t.host == "":
		return ""
	case t.open:
		return "its port comes from the environment"
	}
	return c.portRefusal(t)
}

// portRefusal judges a host with the port that is written beside it.
func (c *Control) portRefusal(t target) string {
	port, plain := plainPort(t.port)
	if plain && port == 0 {
		t.port = ""
	}
	address, err := netip.ParseAddr(t.host)
	local := t.host == "*" || err == nil && c.IsLocal(address)
	switch {
	case err == nil && !local:
		return ""
	case t.port == "":
		if local && t.host != "*" && !address.IsUnspecified() {
			return t.host + " is this node, and the port is whichever the client connects to"
		}
		return "" // a name, or where the client connected to
	case strings.HasPrefix(t.port, "+") || strings.HasPrefix(t.port, "-"):
		return "its port " + t.port + " depends on the one that the client connects to"
	}
	use := c.use(port)
	switch {
	case !plain:
		return "its port " + strconv.Quote(t.port) + " is no number"
	case use == "":
		return ""
	case local:
		return t.host + ":" + t.port + " leads to " + use + " on this node"
	}
	return t.host + ":" + t.port + " has the port of " + use + ", and HAProxy resolves names itself"
}

// plainPort reads a number in the 16 bits of a port; false for anything else, of
// which HAProxy may make a port in its own way: blanks and signs before the digits,
// expressions.
func plainPort(s string) (uint16, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return uint16(n & 0xffff), err == nil
}

// idleServer is a server line that keeps its name, to which other lines may refer,
// and gets no traffic; false where a line has none to keep.
func idleServer(n RawLine) (RawLine, bool) {
	words := rawWords(n)
	kept := 2
	if len(words) > 0 && words[0].text == "server-template" {
		kept = 3
	} else if len(words) == 0 || words[0].text != "server" {
		return "", false
	}
	if len(words) < kept {
		return "", false
	}
	var parts []string
	for _, w := range words[:kept] {
		if w.open || w.text == "" || strings.ContainsAny(w.text, " \t\"'\\#$") {
			return "", false
		}
		parts = append(parts, w.text)
	}
	return RawLine(strings.Join(parts, " ") + " " + SpareAddress().String() + " disabled"), true
}

// A word of a raw line.
type word struct {
	text string
	open bool // holds a variable of the environment
}

// rawWords are the words of a raw line. A quote that is not closed ends with it, as
// HAProxy refuses such a line anyway.
func rawWords(n RawLine) []word {
	w, _ := SplitWords(string(n))
	out := make([]word, len(w.Values))
	for i, text := range w.Values {
		out[i].text = text
		if w.Expands {
			raw, _ := SplitWords(w.Raw[i])
			out[i].open = raw.Expands
		}
	}
	return out
}
