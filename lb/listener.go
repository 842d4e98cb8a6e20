package lb

import (
	"net/netip"
	"path"
	"strconv"
	"strings"
)

// The networks of listeners.
const (
	networkTCP  = "tcp"
	networkUDP  = "udp"
	networkUnix = "unix"
	networkName = "named" // an abstract socket or a descriptor
)

// A listener is one address that a frontend listens on, as HAProxy's str2sa_range reads
// it (configuration manual, 4.2, "bind").
type listener struct {
	path    string // the field, e.g. "bind" or "natives[2]"
	text    string // as written
	network string // "": not known before HAProxy reads it
	// host is an IP address, "*" for every IPv4 one, or a name; of the other networks
	// the path or name.
	host        string
	first, last uint16 // ports
	scope       string // the interface and network namespace it is restricted to
}

// listeners lists what the frontend listens on. Those whose address comes from the
// environment are left out.
func (f Frontend) listeners() []listener {
	var out []listener
	for _, b := range f.Binds {
		out = append(out, listener{
			path: "bind", text: b.String(), network: networkTCP, host: plainHost(string(b.plain().Host)), first: b.Port, last: b.Port,
		})
	}
	if f.TLS != nil {
		for _, l := range (Frontend{Binds: f.TLS.Binds}).listeners() {
			l.path = "tls.bind"
			out = append(out, l)
		}
	}
	if f.RawBind != "" {
		out = append(out, lineListeners("bind", f.RawBind)...)
	}
	for i, n := range f.Natives {
		out = append(out, lineListeners("natives["+strconv.Itoa(i)+"]", n)...)
	}
	return out
}

// lineListeners are those of one raw line; none where it is no bind line.
func lineListeners(field string, n RawLine) []listener {
	words := rawWords(n)
	if len(words) < 2 || words[0].text != bindKeyword {
		return nil
	}
	var out []listener
	var scope strings.Builder
	for _, key := range []string{"interface", "namespace"} {
		for _, value := range options(words[1:], key) {
			scope.WriteString(" " + key + " " + value.text)
		}
	}
	for text := range strings.SplitSeq(words[1].text, ",") {
		l, ok := parseListener(text)
		if !ok || l.network == "" {
			continue
		}
		l.path, l.scope = field, scope.String()
		out = append(out, l)
		if l.host == "::" && hasWord(words[2:], "v4v6") && !hasWord(words[2:], "v6only") {
			l.host = "*"
			out = append(out, l)
		}
	}
	return out
}

func hasWord(words []word, text string) bool {
	for _, w := range words {
		if w.text == text {
			return true
		}
	}
	return false
}

// parseListener reads one address of a bind line; false where HAProxy would not take it.
// Its network is empty where the environment decides.
func parseListener(text string) (listener, bool) {
	l := listener{text: text, network: networkTCP}
	if text == "" || strings.ContainsAny(text, "\"'\\ \t") {
		return l, false
	}
	if strings.Contains(text, "$") {
		l.network = ""
		return l, true
	}
	rest := text
	for prefix, network := range map[string]string{"stream+": networkTCP, "dgram+": networkUDP, "quic+": networkUDP} {
		if after, found := strings.CutPrefix(rest, prefix); found {
			rest, l.network = after, network
			break
		}
	}
	family, address, found := strings.Cut(rest, "@")
	if !found {
		family, address = "", rest
	}
	switch family {
	case "", "ip", "ipv4", "ipv6", "tcp", "tcp4", "tcp6", "mptcp", "mptcp4", "mptcp6":
	case "udp", "udp4", "udp6", "quic4", "quic6":
		l.network = networkUDP
	case "unix", "uxst", "uxdg":
		l.network, l.host = networkUnix, path.Clean(address)
		return l, address != ""
	case "abns", "abnsz", "fd", "sockpair", "rhttp", "rev":
		l.network, l.host = networkName, family+"@"+address
		return l, address != ""
	default:
		return l, false
	}
	if family == "" && strings.HasPrefix(address, "/") {
		l.network, l.host = networkUnix, path.Clean(address)
		return l, true
	}
	return l.withPorts(address, strings.HasSuffix(family, "6"))
}

// withPorts reads "HOST:PORT" and "HOST:FIRST-LAST". The last colon separates them, also
// of an IPv6 address without brackets.
func (l listener) withPorts(address string, six bool) (listener, bool) {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return l, false
	}
	host, ports := address[:i], address[i+1:]
	first, last, isRange := strings.Cut(ports, "-")
	if !isRange {
		last = first
	}
	var err, lastErr error
	l.first, err = parsePort(first)
	l.last, lastErr = parsePort(last)
	if err != nil || lastErr != nil || l.first > l.last {
		return l, false
	}
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	switch {
	case (bare == "" || bare == "*") && six:
		l.host = "::"
	case bare == "" || bare == "*":
		l.host = "*"
	default:
		h, err := ParseHost(bare)
		if err != nil {
			return l, false
		}
		l.host = plainHost(string(h))
	}
	return l, true
}

// plainHost is the form that hosts that are the same have in common. "localhost" is this
// machine's first loopback address.
func plainHost(host string) string {
	if host == "" || host == "*" {
		return "*"
	}
	if strings.TrimSuffix(host, ".") == "localhost" {
		return "127.0.0.1"
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if a = a.Unmap(); a == netip.IPv4Unspecified() {
		return "*"
	}
	return a.String()
}

// overlaps reports whether both have an address in common: each would get a part of its
// connections.
func (l listener) overlaps(o listener) bool {
	return l.network == o.network && l.host == o.host && l.scope == o.scope && l.first <= o.last && o.first <= l.last
}
