package cluster

import "net/netip"

// CheckFloatingIP says why an address cannot be a floating IP, and what was expected; empty: it
// can be one.
func CheckFloatingIP(a netip.Prefix) (problem, expected string) {
	ip := a.Addr()
	switch {
	case ip.IsUnspecified() || ip.IsMulticast() || ip.IsLoopback():
		return "is not the address of a host", "an unused address of the network"
	case isEndOf(a):
		return "is the first or last address of its network, which no host has", "another address, or another prefix length"
	}
	return "", ""
}

// isEndOf reports whether an IPv4 address is that of its network, or the broadcast address.
func isEndOf(a netip.Prefix) bool {
	if !a.Addr().Is4() || a.Bits() > 30 {
		return false
	}
	next := a.Addr().Next()
	return a.Addr() == a.Masked().Addr() || !next.IsValid() || !a.Contains(next)
}
