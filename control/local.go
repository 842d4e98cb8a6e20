package control

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"
)

// localPrefixes are the addresses that the kernel delivers to this machine itself:
// its routes of type local, in every table. That is more than the interfaces'
// addresses: a whole network may be routed to the loopback (ip route add local).
func localPrefixes() ([]netip.Prefix, error) {
	dump, err := syscall.NetlinkRIB(syscall.RTM_GETROUTE, syscall.AF_UNSPEC)
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for local addresses: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for local addresses: %w", err)
	}
	var out []netip.Prefix
	for _, m := range messages {
		if p, ok := localPrefix(m); ok {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b netip.Prefix) int {
		if c := a.Addr().Compare(b.Addr()); c != 0 {
			return c
		}
		return a.Bits() - b.Bits()
	})
	return slices.Compact(out), nil
}

// localPrefix is the destination of a route that is local (rtnetlink(7)).
func localPrefix(m syscall.NetlinkMessage) (netip.Prefix, bool) {
	if m.Header.Type != syscall.RTM_NEWROUTE || len(m.Data) < syscall.SizeofRtMsg {
		return netip.Prefix{}, false
	}
	bits, kind := int(m.Data[1]), m.Data[7]
	if kind != syscall.RTN_LOCAL && kind != syscall.RTN_ANYCAST {
		return netip.Prefix{}, false
	}
	attributes, err := syscall.ParseNetlinkRouteAttr(&m)
	if err != nil {
		return netip.Prefix{}, false
	}
	for _, a := range attributes {
		if a.Attr.Type == syscall.RTA_DST {
			if address, ok := netip.AddrFromSlice(a.Value); ok {
				return netip.PrefixFrom(address, bits), true
			}
		}
	}
	return netip.Prefix{}, false
}

// addressChanges are the rtnetlink groups for changes of addresses and routes: the
// bits 1<<(RTNLGRP_… - 1).
const addressChanges = 1<<4 | 1<<6 | 1<<8 | 1<<10 // IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE

// listenForChanges opens a socket that can be read when this machine's addresses or
// routes have changed.
func listenForChanges() (fd int, err error) {
	fd, err = syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_RAW|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, syscall.NETLINK_ROUTE)
	if err != nil {
		return -1, fmt.Errorf("opening a netlink socket: %w", err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK, Groups: addressChanges}); err != nil {
		return -1, errors.Join(fmt.Errorf("listening for address changes: %w", err), syscall.Close(fd))
	}
	return fd, nil
}

// A socketOwner identifies a socket and its user, as sock_diag(7) reports them.
type socketOwner struct {
	inode, uid uint32
}

// errNoSocket: no process has such a socket open, or none any more.
var errNoSocket = errors.New("no process holds the other end of the connection")

const (
	sockDiagByFamily = 20
	sizeofDiagReq    = 56 // struct inet_diag_req_v2
	sizeofDiagMsg    = 72 // struct inet_diag_msg
	diagTime         = 1  // seconds
)

// peerSocket finds the socket that a TCP connection has at its other end on this
// machine: the one that is bound to from and connected to to.
func peerSocket(from, to netip.AddrPort) (socketOwner, error) {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, syscall.NETLINK_INET_DIAG)
	if err != nil {
		return socketOwner{}, fmt.Errorf("opening a netlink socket: %w", err)
	}
	defer func() { _ = syscall.Close(fd) }() // nothing is lost
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &syscall.Timeval{Sec: diagTime}); err != nil {
		return socketOwner{}, fmt.Errorf("preparing a netlink socket: %w", err)
	}
	if err := syscall.Sendto(fd, diagRequest(from, to), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}); err != nil {
		return socketOwner{}, fmt.Errorf("asking the kernel for a socket: %w", err)
	}
	answer := make([]byte, 8192)
	n, _, err := syscall.Recvfrom(fd, answer, 0)
	if err != nil {
		return socketOwner{}, fmt.Errorf("asking the kernel for a socket: %w", err)
	}
	messages, err := syscall.ParseNetlinkMessage(answer[:n])
	if err != nil || len(messages) == 0 {
		return socketOwner{}, errors.New("asking the kernel for a socket: the answer is malformed")
	}
	return diagAnswer(messages[0])
}

// diagRequest asks for one TCP socket in any state.
func diagRequest(from, to netip.AddrPort) []byte {
	b := make([]byte, syscall.SizeofNlMsghdr+sizeofDiagReq)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(b[6:], syscall.NLM_F_REQUEST)
	r := b[syscall.SizeofNlMsghdr:]
	r[0] = syscall.AF_INET
	if from.Addr().Is6() {
		r[0] = syscall.AF_INET6
	}
	r[1] = syscall.IPPROTO_TCP
	binary.NativeEndian.PutUint32(r[4:], ^uint32(0)) // every state
	id := r[8:]
	binary.BigEndian.PutUint16(id, from.Port())
	binary.BigEndian.PutUint16(id[2:], to.Port())
	copy(id[4:20], from.Addr().AsSlice())
	copy(id[20:36], to.Addr().AsSlice())
	binary.NativeEndian.PutUint64(id[40:], ^uint64(0)) // no cookie
	return b
}

func diagAnswer(m syscall.NetlinkMessage) (socketOwner, error) {
	if m.Header.Type == syscall.NLMSG_ERROR && len(m.Data) >= 4 {
		errno := syscall.Errno(-int32(binary.NativeEndian.Uint32(m.Data))) //nolint:gosec // the kernel's number
		if errno == syscall.ENOENT {
			return socketOwner{}, errNoSocket
		}
		return socketOwner{}, fmt.Errorf("asking the kernel for a socket: %w", errno)
	}
	if m.Header.Type != sockDiagByFamily || len(m.Data) < sizeofDiagMsg {
		return socketOwner{}, errors.New("asking the kernel for a socket: the answer is malformed")
	}
	o := socketOwner{uid: binary.NativeEndian.Uint32(m.Data[64:]), inode: binary.NativeEndian.Uint32(m.Data[68:])}
	if o.inode == 0 {
		return o, errNoSocket
	}
	return o, nil
}
