package haproxy

import (
	"net/netip"
	"slices"
)

// A LocalBind is an address of a bind line that HAProxy can only bind where the machine
// has it, unless the kernel lets it (ip_nonlocal_bind).
type LocalBind struct {
	Text    string // as in the line
	Address netip.AddrPort
}

// LocalBinds lists the addresses of the bind lines of a configuration that are not
// unspecified, and not bound with the option transparent.
func LocalBinds(config []byte) []LocalBind {
	var all []LocalBind
	for l := range configLines(config) {
		if len(l.words) < 2 || l.words[0] != "bind" || slices.Contains(l.words, "transparent") || slices.Contains(l.words, "namespace") {
			continue
		}
		for _, a := range bindAddresses(l.words[1]) {
			if a.path == "" && !a.addr.Addr().IsUnspecified() {
				all = append(all, LocalBind{Text: a.text, Address: a.addr})
			}
		}
	}
	return all
}
