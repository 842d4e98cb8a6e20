package lb

import (
	"net/netip"
	"strings"
)

// network finds the addresses of a line that are none of a network. HAProxy expands
// environment variables in addresses with and without quotes.
func (u *uses) network(keyword string) {
	switch keyword {
	case "bind":
		for address := range strings.SplitSeq(u.word(1), ",") {
			u.address(keyword, address)
		}
	case "server":
		u.address(keyword, u.word(2))
		u.destination(keyword, u.word(2))
	case "server-template":
		u.address(keyword, u.word(3))
		u.destination(keyword, u.word(3))
	case "dispatch", "source":
		u.address(keyword, u.word(1))
	case "log":
		u.logTarget()
	case "http-check", "tcp-check", "default-server":
	default:
		return
	}
	for i, word := range u.words {
		switch word {
		case "addr", "agent-addr", "socks4", "source", "usesrc":
			u.address(word, u.word(i+1))
		}
	}
}

// networkPrefixes of addresses; any other names a socket or a descriptor.
const networkPrefixes = " ip ipv4 ipv6 mptcp mptcp4 mptcp6 quic4 quic6 rhttp rev tcp tcp4 tcp6 udp udp4 udp6 "

// address notes one that is a path, has a prefix of something else than a network,
// or holds an environment variable.
func (u *uses) address(by, address string) {
	if strings.Contains(address, "$") {
		u.add(Environment, by, variableIn([]string{address}))
		return
	}
	rest := address
	for _, prefix := range []string{"stream+", "dgram+", "quic+"} {
		rest = strings.TrimPrefix(rest, prefix)
	}
	prefix, _, found := strings.Cut(rest, "@")
	if strings.HasPrefix(rest, "/") || found && !isOneOf(networkPrefixes, prefix) {
		u.add(Socket, by, address)
	}
}

// destination notes the address of a server whose port is the one that the client
// connected to (or said so in the PROXY protocol), if the host does not say for
// certain that it is another machine: a name, or none, which is the one that the
// client connected to. An address of this node is a Control's to refuse.
func (u *uses) destination(by, address string) {
	t := parseTarget(word{text: address})
	port, plain := plainPort(t.port)
	if t.host == "" || plain && port != 0 || strings.Contains(address, "$") {
		return
	}
	if a, err := netip.ParseAddr(t.host); err != nil || a.Unmap().IsUnspecified() {
		u.add(Destination, by, address)
	}
}

// logTarget knows a ring or a backend of haproxy.cfg from an address.
func (u *uses) logTarget() {
	target := u.word(1)
	switch {
	case target == "stdout" || target == "stderr": // HAProxy's own descriptors
		u.add(Socket, "log", target)
	case strings.HasPrefix(target, "ring@") || strings.HasPrefix(target, "backend@"):
	default:
		u.address("log", target)
	}
}
