package haproxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"thalassa/lb"
)

// HAProxy refuses to reload with an address on which another program listens. Before, 2.6
// to 3.2 pause all listeners of the old worker to free the address, and refuse new
// connections for two seconds. So the addresses that a configuration adds are tried here
// first.

// tryBinds refuses a configuration that binds an address of another program. It tries the
// ports that the running configuration does not have, in the way HAProxy binds them. It
// leaves all other addresses to HAProxy.
func tryBinds(ctx context.Context, running, config []byte) error {
	ours := map[uint16]bool{}
	for _, b := range binds(running) {
		ours[b.addr.Port()] = true
	}
	for _, b := range binds(config) {
		if !ours[b.addr.Port()] && isTaken(ctx, b.addr) {
			return &lb.RefusedError{At: "start", Output: fmt.Sprintf("line %d: bind %s: address already in use by another program", b.line, b.text)}
		}
	}
	return nil
}

// isTaken reports whether an address is in use.
func isTaken(ctx context.Context, addr netip.AddrPort) bool {
	network := "tcp6"
	if addr.Addr().Is4() {
		network = "tcp4"
	}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var set error
		err := c.Control(func(fd uintptr) { set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return errors.Join(err, set)
	}}
	l, err := config.Listen(ctx, network, addr.String())
	if err == nil {
		_ = l.Close()
	}
	return errors.Is(err, syscall.EADDRINUSE)
}

// A bind is an address of a line of a configuration.
type bind struct {
	line int
	bindAddress
}

// binds lists the plain IP addresses of the bind lines of a configuration. Addresses with
// a family or in another network namespace are left out, and what bindAddresses leaves
// out.
func binds(config []byte) []bind {
	var all []bind
	for l := range configLines(config) {
		if len(l.raw) < 2 || l.raw[0] != "bind" || slices.Contains(l.raw, "namespace") {
			continue
		}
		for _, a := range bindAddresses(l.raw[1]) {
			if a.path == "" && a.isBare {
				all = append(all, bind{l.number, a})
			}
		}
	}
	return all
}

// A bindAddress is one address of a bind line, in one of the forms that are understood
// here (configuration manual, 4.2, "bind").
type bindAddress struct {
	text string // as in the line
	// path is that of a unix socket; "": addr is the address. isBare: it has no family,
	// such as ipv4@.
	path   string
	addr   netip.AddrPort
	isBare bool
}

// bindAddresses reads the comma-separated addresses of a bind line. Names, ranges of
// ports, variables, file descriptors and abstract sockets are left out.
func bindAddresses(list string) []bindAddress {
	var out []bindAddress
	for text := range strings.SplitSeq(list, ",") {
		family, rest, ok := strings.Cut(text, "@")
		if !ok {
			family, rest = "", text
		}
		a := bindAddress{text: text, isBare: !ok}
		isIP := false
		switch {
		case strings.HasPrefix(rest, "/") && (family == "" || family == "unix" || family == "uxst"):
			a.path = rest
		case family == "" || family == "ipv4" || family == "ipv6":
			a.addr, isIP = parseBind(rest)
		}
		if a.path != "" || isIP {
			out = append(out, a)
		}
	}
	return out
}

// parseBind reads "127.0.0.1:80", "*:80", ":80" and "[::1]:80".
func parseBind(text string) (netip.AddrPort, bool) {
	i := strings.LastIndexByte(text, ':')
	if i < 0 {
		return netip.AddrPort{}, false
	}
	port, err := strconv.ParseUint(text[i+1:], 10, 16)
	if err != nil || port == 0 {
		return netip.AddrPort{}, false
	}
	host := text[:i]
	switch {
	case host == "" || host == "*":
		return netip.AddrPortFrom(netip.IPv4Unspecified(), uint16(port)), true
	case strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]"):
		host = host[1 : len(host)-1]
	case strings.Contains(host, ":"):
		return netip.AddrPort{}, false
	}
	addr, err := netip.ParseAddr(host)
	return netip.AddrPortFrom(addr, uint16(port)), err == nil
}
