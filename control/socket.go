package control

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// findSocket is peerSocket, and for kernels without sock_diag a look through their
// tables of connections.
func findSocket(from, to netip.AddrPort) (socketOwner, error) {
	o, err := peerSocket(from, to)
	if err == nil {
		return o, nil
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		o, found := scanTable(table, from, to)
		if found != nil && !errors.Is(found, errNoSocket) {
			return socketOwner{}, errors.Join(err, found)
		}
		if found == nil {
			return o, nil
		}
	}
	return socketOwner{}, errNoSocket
}

// scanTable looks for a connection in a table of proc(5)'s net/tcp.
func scanTable(path string, from, to netip.AddrPort) (socketOwner, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return socketOwner{}, errNoSocket
	}
	if err != nil {
		return socketOwner{}, fmt.Errorf("looking for a connection: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		w := strings.Fields(lines.Text())
		if len(w) < 10 {
			continue
		}
		local, ok1 := tableAddress(w[1])
		remote, ok2 := tableAddress(w[2])
		if !ok1 || !ok2 || !sameAddress(local, from) || !sameAddress(remote, to) {
			continue
		}
		uid, err1 := strconv.ParseUint(w[7], 10, 32)
		inode, err2 := strconv.ParseUint(w[9], 10, 32)
		if err := errors.Join(err1, err2); err != nil {
			return socketOwner{}, fmt.Errorf("reading %s: %w", path, err)
		}
		if inode == 0 {
			return socketOwner{}, errNoSocket
		}
		return socketOwner{inode: uint32(inode), uid: uint32(uid)}, nil
	}
	if err := lines.Err(); err != nil {
		return socketOwner{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return socketOwner{}, errNoSocket
}

// tableAddress reads "0100007F:2710": words of 32 bits in the machine's order, which
// is little endian wherever this program runs, and the port.
func tableAddress(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	number, err := strconv.ParseUint(port, 16, 16)
	raw, err2 := hex.DecodeString(host)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		raw[i], raw[i+1], raw[i+2], raw[i+3] = raw[i+3], raw[i+2], raw[i+1], raw[i]
	}
	address, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(address, uint16(number)), ok
}

func sameAddress(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Addr().Unmap() == b.Addr().Unmap().WithZone("")
}
