// Package control knows through which addresses this node is administered, and whether the other
// end of a connection to one of them is HAProxy. Both come from the kernel, through netlink and
// /proc. A loopback address identifies nobody, since HAProxy may forward traffic from anywhere to
// it.
//
// It only reads and decides: it closes no connection and changes nothing. Where it cannot find out
// who is at the other end, the answer is an error.
package control
