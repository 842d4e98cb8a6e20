package control

import (
	"net"
	"net/netip"

	"thalassa/lb"
)

// Has reports whether this machine has the interface that a raw line names, or an address that
// sockets can be bound to.
func Has(use lb.LocalUse) bool {
	if use.Interface != "" {
		_, err := net.InterfaceByName(use.Interface)
		return err == nil
	}
	socket, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(use.Source, 0)))
	if err != nil {
		return false
	}
	_ = socket.Close() // nothing is lost
	return true
}
