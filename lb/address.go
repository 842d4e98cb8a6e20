package lb

import (
	"net/netip"
	"strconv"
	"strings"
)

// A Host is an IP address or a host name, checked; IPv6 without brackets.
type Host string

// ParseHost accepts an IPv4 or IPv6 address (brackets allowed, zones not) or an
// RFC 1123 host name.
func ParseHost(s string) (Host, error) {
	const expected = "an IPv4 address, an IPv6 address or a host name"
	bare := s
	if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		bare = s[1 : len(s)-1]
	}
	if a, err := netip.ParseAddr(bare); err == nil {
		if a.Zone() != "" {
			return "", bad(strconv.Quote(s)+" carries a zone", expected)
		}
		return Host(a.String()), nil
	}
	if bare != s || !isHostName(s) {
		return "", bad(strconv.Quote(s)+" is not a host", expected)
	}
	return Host(strings.ToLower(s)), nil
}

// NoMember says, as a clause, why the address cannot be that of a member; empty: it can.
func (h Host) NoMember() string {
	a, err := netip.ParseAddr(string(h))
	switch a = a.Unmap(); {
	case err != nil:
		return "" // a name
	case a.IsUnspecified():
		// HAProxy would connect to the address that the client connected to: its own.
		return "is the address of no machine"
	case a.IsMulticast():
		return "is a multicast address"
	case a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		return "is the broadcast address"
	case a.Is6() && a.IsLinkLocalUnicast():
		return "is a link-local address, which is of an interface that HAProxy cannot be told"
	}
	return ""
}

// IsIP reports whether h is an IP address rather than a host name.
func (h Host) IsIP() bool {
	_, err := netip.ParseAddr(string(h))
	return err == nil
}

// isHostName checks RFC 1123 labels; a name of digits and dots alone is a
// mistyped address, not a name.
func isHostName(s string) bool {
	if s == "" || len(s) > 253 || strings.Trim(s, "0123456789.") == "" {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			if !isAlnum(label[i]) && label[i] != '-' && label[i] != '_' {
				return false
			}
		}
	}
	return true
}

// parsePort accepts 1 to 65535.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, bad(strconv.Quote(s)+" is not a port", "1 to 65535")
	}
	return uint16(n), nil
}

// A HostPort is where a member listens.
type HostPort struct {
	Host Host
	Port uint16
}

// String gives host:port, IPv6 in brackets: the form of an address in
// haproxy.cfg.
func (a HostPort) String() string {
	if strings.Contains(string(a.Host), ":") {
		return "[" + string(a.Host) + "]:" + strconv.Itoa(int(a.Port))
	}
	return string(a.Host) + ":" + strconv.Itoa(int(a.Port))
}

// A Bind is an address a frontend listens on. An empty Host is the wildcard
// "*": every IPv4 address, as HAProxy and the original read it. Every IPv6
// address is "[::]".
type Bind HostPort

// String gives the form of haproxy.cfg: "*:80", "127.0.0.1:80", "[::1]:80".
func (b Bind) String() string {
	if b.Host == "" {
		return "*:" + strconv.Itoa(int(b.Port))
	}
	return HostPort(b).String()
}

// Same reports whether b and o are the same address, however written: "0.0.0.0" is "*", and
// "::ffff:10.0.0.1" is "10.0.0.1". Two frontends at the same address would each get a part of the
// connections.
func (b Bind) Same(o Bind) bool { return b.plain() == o.plain() }

// plain is the canonical form, for Same.
func (b Bind) plain() Bind {
	a, err := netip.ParseAddr(string(b.Host))
	switch a = a.Unmap(); {
	case err != nil: // every IPv4 address, or a name
	case a == netip.IPv4Unspecified():
		b.Host = ""
	default:
		b.Host = Host(a.String())
	}
	return b
}

// ParseBind accepts host:port where host is "*" (or empty), an IP address
// (IPv6 in brackets) or a host name.
func ParseBind(s string) (Bind, error) {
	const expected = `host:port, the host may be "*", IPv6 in brackets`
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return Bind{}, bad(strconv.Quote(s)+" has no port", expected)
	}
	host, ports := s[:i], s[i+1:]
	port, err := parsePort(ports)
	if err != nil {
		return Bind{}, bad(strconv.Quote(s)+" has no valid port", expected+", the port 1 to 65535")
	}
	if host == "*" || host == "" {
		return Bind{Port: port}, nil
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		return Bind{}, bad(strconv.Quote(s)+" is an IPv6 address without brackets", expected)
	}
	h, err := ParseHost(host)
	if err != nil {
		return Bind{}, bad(strconv.Quote(s)+" has no valid host", expected)
	}
	return Bind{Host: h, Port: port}, nil
}

// parseBinds splits a comma-separated list of binds; the same one twice is a
// mistake.
func parseBinds(s string) ([]Bind, error) {
	if strings.TrimSpace(s) == "" {
		return nil, bad("is missing", `a comma-separated list of host:port, the host may be "*"`)
	}
	var binds []Bind
	seen := map[Bind]bool{}
	for part := range strings.SplitSeq(s, ",") {
		b, err := ParseBind(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		if seen[b] {
			return nil, bad(strconv.Quote(b.String())+" is named twice", "each address once")
		}
		seen[b] = true
		binds = append(binds, b)
	}
	return binds, nil
}
