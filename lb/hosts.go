package lb

import (
	"net/netip"
	"strings"
)

// Hosts are the addresses of names that the node itself knows (/etc/hosts). HAProxy asks only name
// servers, which mostly do not know these names. It is immutable; nil knows localhost.
type Hosts struct {
	addresses map[Host]Host
}

// ParseHosts reads the text of /etc/hosts (hosts(5)): lines of an address and its names.
// Of a name with several addresses the first IPv4 one counts, else the first.
func ParseHosts(text string) *Hosts {
	h := &Hosts{addresses: map[Host]Host{}}
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		a, err := netip.ParseAddr(fields[0])
		if err != nil || a.Zone() != "" || a.IsUnspecified() {
			continue
		}
		for _, name := range fields[1:] {
			key := hostKey(Host(name))
			if former, known := h.addresses[key]; !known || a.Is4() && strings.Contains(string(former), ":") {
				h.addresses[key] = Host(a.String())
			}
		}
	}
	return h
}

// Lookup is the address of a name; false: the node does not know the name itself.
func (h *Hosts) Lookup(name Host) (Host, bool) {
	key := hostKey(name)
	if h != nil {
		if address, ok := h.addresses[key]; ok {
			return address, true
		}
	}
	return "127.0.0.1", key == "localhost"
}

// hostKey is the form that the spellings of a name have in common.
func hostKey(name Host) Host { return Host(strings.ToLower(strings.TrimSuffix(string(name), "."))) }

// resolved gives members with names that the node knows their addresses.
func (h *Hosts) resolved(members []Member) {
	for i, m := range members {
		if m.Address.Host.IsIP() {
			continue
		}
		if address, ok := h.Lookup(m.Address.Host); ok {
			members[i].Named, members[i].Address.Host = m.Address.Host, address
		}
	}
}
