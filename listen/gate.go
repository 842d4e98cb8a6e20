package listen

import (
	"cmp"
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// GateConfig has the limits of a Gate.
type GateConfig struct {
	// Most is the maximum number of open connections. An eighth of them, at least one, is reserved
	// for connections from this machine, so that commands on it always reach the agent.
	Most int
	// PerAddress is the maximum for one address; at most half of Most. All of the loopback
	// counts as one address, and so does an IPv6 network of 64 bits.
	PerAddress int
}

// A Gate is a listener that limits its connections, before clients are authenticated, so that they
// cannot use up the file descriptors of this program. When there are too many, it closes an idle
// connection of the address that has the most, or the new one. Make it with NewGate. Its methods
// may be called from any goroutine.
type Gate struct {
	net.Listener
	cfg GateConfig

	mu      sync.Mutex
	open    map[netip.Prefix]map[*gated]struct{}
	total   int
	refused uint64
	// told is called with the reason for a refusal; may be nil.
	told func(why string)
}

// A gated is a connection of a Gate.
type gated struct {
	*net.TCPConn
	gate *Gate
	from netip.Prefix
	// idle is the time since which it waits for a request, guarded by gate.mu; zero: it does not.
	idle time.Time
}

// NewGate returns a Gate for a TCP listener.
func NewGate(l net.Listener, cfg GateConfig) *Gate {
	cfg.Most = max(cfg.Most, 2)
	cfg.PerAddress = max(1, min(cfg.PerAddress, cfg.Most/2))
	return &Gate{Listener: l, cfg: cfg, open: map[netip.Prefix]map[*gated]struct{}{}}
}

// OnRefusal sets the function that the Gate calls for each connection that it refuses or closes,
// with the reason as a sentence. f must not wait for anything.
func (g *Gate) OnRefusal(f func(why string)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.told = f
}

// Open returns how many connections are open, and how many were ever refused, or closed in favor
// of others.
func (g *Gate) Open() (open int, refused uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.total, g.refused
}

// Accept returns the next connection for which there is room. If the system has no file
// descriptor left, it closes an idle connection.
func (g *Gate) Accept() (net.Conn, error) {
	for {
		conn, err := g.Listener.Accept()
		if err != nil {
			if isTemporary(err) {
				g.makeRoom()
			}
			return nil, err
		}
		tcp, ok := conn.(*net.TCPConn)
		if !ok {
			return conn, nil // a test's
		}
		if c := g.admit(tcp); c != nil {
			return c, nil
		}
		_ = tcp.Close()
	}
}

// admit counts a connection; nil: there is no room for it.
func (g *Gate) admit(tcp *net.TCPConn) *gated {
	c := &gated{TCPConn: tcp, gate: g, from: source(tcp.RemoteAddr()), idle: time.Now()}
	victim, why := g.enter(c)
	if victim != nil && victim != c {
		_ = victim.TCPConn.Close()
	}
	if why != "" {
		g.tell(why)
	}
	if victim == c {
		return nil
	}
	return c
}

// enter makes room for a connection and counts it. victim has to be closed: another one, or c
// itself; nil: there was room.
func (g *Gate) enter(c *gated) (victim *gated, why string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	own := g.open[c.from]
	switch {
	case len(own) >= g.cfg.PerAddress:
		victim, why = longestIdle(own), "too many connections from "+c.from.String()
	case g.total >= g.limit(c.from):
		victim, why = longestIdle(g.largest()), "too many connections"
	}
	if why != "" {
		g.refused++
		if victim = cmp.Or(victim, c); victim == c {
			return c, why
		}
		g.forget(victim)
	}
	if own == nil || g.open[c.from] == nil {
		g.open[c.from] = map[*gated]struct{}{}
	}
	g.open[c.from][c] = struct{}{}
	g.total++
	return victim, why
}

// limit is the maximum number of connections at which one more from an address is still accepted.
func (g *Gate) limit(from netip.Prefix) int {
	if from == loopback() {
		return g.cfg.Most
	}
	return g.cfg.Most - max(1, g.cfg.Most/8)
}

// largest are the connections of the address that has the most idle ones.
func (g *Gate) largest() (most map[*gated]struct{}) {
	best := 0
	for _, all := range g.open {
		idle := 0
		for c := range all {
			if !c.idle.IsZero() {
				idle++
			}
		}
		if idle > 0 && len(all) > best {
			most, best = all, len(all)
		}
	}
	return most
}

// longestIdle is the connection that has been idle for the longest time; nil: none is.
func longestIdle(all map[*gated]struct{}) (found *gated) {
	for c := range all {
		if !c.idle.IsZero() && (found == nil || c.idle.Before(found.idle)) {
			found = c
		}
	}
	return found
}

// makeRoom closes an idle connection.
func (g *Gate) makeRoom() {
	g.mu.Lock()
	victim := longestIdle(g.largest())
	if victim != nil {
		g.forget(victim)
		g.refused++
	}
	g.mu.Unlock()
	if victim != nil {
		_ = victim.TCPConn.Close()
		g.tell("there are no file descriptors left")
	}
}

func (g *Gate) tell(why string) {
	g.mu.Lock()
	told := g.told
	g.mu.Unlock()
	if told != nil {
		told(why)
	}
}

// forget ends the count of a connection. The caller holds mu.
func (g *Gate) forget(c *gated) {
	all := g.open[c.from]
	if _, counted := all[c]; !counted {
		return
	}
	delete(all, c)
	if g.total--; len(all) == 0 {
		delete(g.open, c.from)
	}
}

// Close closes the connection.
func (c *gated) Close() error {
	c.gate.mu.Lock()
	c.gate.forget(c)
	c.gate.mu.Unlock()
	return c.TCPConn.Close()
}

// Track is the ConnState of an http.Server on the Gate: only idle connections are closed
// for others.
func (g *Gate) Track(conn net.Conn, state http.ConnState) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	c, ok := conn.(*gated)
	if !ok {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch state {
	case http.StateNew, http.StateIdle:
		c.idle = time.Now()
	case http.StateActive, http.StateHijacked, http.StateClosed:
		c.idle = time.Time{}
	}
}

// loopback stands for all addresses of the loopback.
func loopback() netip.Prefix { return netip.PrefixFrom(netip.AddrFrom4([4]byte{127}), 8) }

// source is the network that counts as one address of a peer.
func source(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap().WithZone("")
	switch {
	case addr.IsLoopback():
		return loopback()
	case addr.Is4():
		return netip.PrefixFrom(addr, 32)
	}
	return netip.PrefixFrom(addr, 64).Masked()
}
