package bootstrap

import (
	"net"
	"net/netip"
	"slices"
	"sync"
)

// maxAtDoor bounds the connections that have not said who they are.
const maxAtDoor = 16

// A door has the connections that have not proved who they are. A full one drops the oldest of the
// address that has the most, so that silent connections of one machine keep no other one out.
type door struct {
	mu  sync.Mutex
	all []*visitor // the oldest one first
}

// A visitor is a connection at the door.
type visitor struct {
	conn net.Conn
	from netip.Prefix
	stop func() // what is done for it
}

// enter lets a connection in, in place of another one if there are too many.
func (d *door) enter(conn net.Conn, stop func()) *visitor {
	v := &visitor{conn, origin(conn.RemoteAddr()), stop}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, v)
	if len(d.all) <= maxAtDoor {
		return v
	}
	count := map[netip.Prefix]int{}
	most := 0
	for _, other := range d.all {
		count[other.from]++
		most = max(most, count[other.from])
	}
	i := slices.IndexFunc(d.all, func(other *visitor) bool { return count[other.from] == most })
	d.all[i].stop()
	_ = d.all[i].conn.Close() // its goroutine notices
	d.all = slices.Delete(d.all, i, i+1)
	return v
}

// leave takes a connection from the door, and reports whether it is still there.
func (d *door) leave(v *visitor) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.all, v)
	if i < 0 {
		return false
	}
	d.all = slices.Delete(d.all, i, i+1)
	return true
}

// origin is the address of a machine, or the network of 64 bits in which it chooses addresses.
func origin(a net.Addr) netip.Prefix {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	address := p.Addr().Unmap().WithZone("")
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits) // the number of bits fits
	return prefix
}
