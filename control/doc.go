// Package control knows how this node is administered: by which addresses, now, and
// whether the other end of a connection to one of them is HAProxy. Both are the
// kernel's word, read through netlink and /proc: loopback is no identity, as traffic
// from anywhere may come out of HAProxy there.
//
// It reads and decides; it never closes a connection and changes nothing. What it
// cannot find out counts against the connection.
package control
