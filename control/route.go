package control

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"syscall"
	"time"

	"thalassa/lb"
)

const (
	// routeAge is how long the kernel's answer about an address is kept.
	routeAge = 10 * time.Second
	// maxRouted limits the number of addresses that are kept. Further ones count as reachable.
	maxRouted = 4096
)

// Routes finds out which addresses this machine has a route to. The zero value works; it may be
// used concurrently.
type Routes struct {
	mu    sync.Mutex
	begun time.Time
	known map[netip.Addr]bool
}

// Lead reports whether the kernel has a route to a host. A host name counts as reachable, since
// HAProxy resolves it. Nothing is sent.
func (r *Routes) Lead(h lb.Host) bool {
	a, err := netip.ParseAddr(string(h))
	if err != nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil || time.Since(r.begun) > routeAge {
		r.known, r.begun = map[netip.Addr]bool{}, time.Now()
	}
	leads, isKnown := r.known[a]
	if !isKnown && len(r.known) < maxRouted {
		leads = routed(a)
		r.known[a] = leads
	}
	return leads || !isKnown && len(r.known) >= maxRouted
}

// routed asks the kernel: connecting a datagram socket chooses a route and sends nothing.
// Errors that are not about routes, such as a lack of descriptors, count as a route.
func routed(a netip.Addr) bool {
	a = a.Unmap()
	family, to := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: 9, Addr: a.As16()})
	if a.Is4() {
		family, to = syscall.AF_INET, &syscall.SockaddrInet4{Port: 9, Addr: a.As4()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err == nil {
		err = syscall.Connect(fd, to)
		_ = syscall.Close(fd) // nothing is lost
	}
	return !slices.ContainsFunc([]error{
		syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.EAFNOSUPPORT, syscall.EADDRNOTAVAIL, syscall.EINVAL,
	}, func(none error) bool { return errors.Is(err, none) })
}
