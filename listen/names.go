package listen

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
)

// LocalNames are the names of this machine: localhost, its host name, the name with a
// domain that hosts, a file such as /etc/hosts, has for that, and its addresses but for
// link-local ones. No name server is asked.
func LocalNames(hosts string) ([]string, error) {
	host, err := os.Hostname()
	if err != nil {
		return nil, fmt.Errorf("reading the host name: %w", err)
	}
	out := []string{"localhost", host}
	if full := fullName(hosts, host); full != "" {
		out = append(out, full)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("reading the addresses of this machine: %w", err)
	}
	for _, a := range addresses {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() {
			out = append(out, p.Addr().Unmap().String())
		}
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// fullName is the first name with a dot in a line of the hosts file that has the host
// name; empty if there is none.
func fullName(hosts, host string) string {
	data, err := readFile(hosts)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) < 2 || !slices.Contains(words[1:], host) {
			continue
		}
		for _, name := range words[1:] {
			if strings.HasPrefix(name, host+".") {
				return name
			}
		}
	}
	return ""
}
