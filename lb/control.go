package lb

import (
	"net/netip"
	"slices"
	"strconv"
)

// A Control knows which addresses administer this node: the agent's API, HAProxy's statistics page
// and sockets, Consul's agent. Traffic must never lead there, because services on loopback often
// trust everybody who can reach them. It is immutable; nil refuses nothing.
type Control struct {
	// Ports that administer the node, at any of its addresses.
	Ports []ControlPort
	// Sockets are the paths of HAProxy's own unix sockets.
	Sockets []string
	// Local are the node's own addresses now, as its kernel lists them. Loopback and unspecified
	// addresses always count.
	Local []netip.Prefix
}

// APIUse is the Use of the port of the agent's API.
const APIUse = "the agent's API"

// A ControlPort is a TCP or UDP port and what listens there.
type ControlPort struct {
	Port uint16
	Use  string // e.g. "the agent's API"
}

// expectedMember says what a right address is.
const expectedMember = "an address that does not administer this node"

// Refusal says why a member must not have an address; empty: it may.
func (c *Control) Refusal(a HostPort) string {
	use := c.use(a.Port)
	if use == "" {
		return ""
	}
	address, err := netip.ParseAddr(string(a.Host))
	switch {
	case err != nil:
		return a.String() + " has the port of " + use + ", and HAProxy resolves names itself"
	case c.IsLocal(address):
		return a.String() + " leads to " + use + " on this node"
	}
	return ""
}

// use is what listens at a port; empty: nothing that administers the node.
func (c *Control) use(port uint16) string {
	if c == nil {
		return ""
	}
	for _, p := range c.Ports {
		if p.Port == port {
			return p.Use
		}
	}
	return ""
}

// IsAPI reports whether a port is that of the agent's own API.
func (c *Control) IsAPI(port uint16) bool { return c.use(port) == APIUse }

// IsLocal reports whether connections to an address end on this node: at its
// loopback, at an address of its own, or at the IPv4 address that an IPv6 one stands
// for. A nil Control knows only those that are local everywhere.
func (c *Control) IsLocal(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() || a.IsUnspecified() || a.Is4() && a.As4()[0] == 0 {
		return true
	}
	if c != nil && slices.ContainsFunc(c.Local, func(p netip.Prefix) bool { return p.Contains(a) }) {
		return true
	}
	return slices.ContainsFunc(embedded(a), c.IsLocal)
}

// embedded are the IPv4 addresses that translators find in an IPv6 address:
// IPv4-compatible (RFC 4291), stateless translation (RFC 2765), NAT64 (RFC 6052 and
// RFC 8215) and 6to4 (RFC 3056).
func embedded(a netip.Addr) []netip.Addr {
	if !a.Is6() {
		return nil
	}
	b := a.As16()
	last := netip.AddrFrom4([4]byte(b[12:]))
	for _, prefix := range [...]string{"::/96", "::ffff:0:0:0/96", "64:ff9b::/96"} {
		if netip.MustParsePrefix(prefix).Contains(a) {
			return []netip.Addr{last}
		}
	}
	switch {
	case netip.MustParsePrefix("64:ff9b:1::/48").Contains(a):
		return []netip.Addr{last, netip.AddrFrom4([4]byte{b[6], b[7], b[9], b[10]})}
	case netip.MustParsePrefix("2002::/16").Contains(a):
		return []netip.Addr{netip.AddrFrom4([4]byte(b[2:6]))}
	}
	return nil
}

// Check refuses an edit that would lead traffic to a control address. The error is
// that of CheckFrontend or CheckBackend.
func (c *Control) Check(e Edit) error {
	switch {
	case e.Frontend != nil:
		return c.CheckFrontend(*e.Frontend)
	case e.Backend != nil:
		return c.CheckBackend(*e.Backend)
	case e.Section != nil:
		return c.CheckSection(*e.Section)
	}
	return nil
}

// CheckBackend refuses a backend with members, or raw lines, that lead to a control
// address. The error is an *InvalidError naming every such field.
func (c *Control) CheckBackend(b Backend) error {
	if c == nil {
		return nil
	}
	var fe FieldErrors
	for i, m := range b.Members {
		if why := c.Refusal(m.HostPort); why != "" {
			fe.Add("members["+strconv.Itoa(i)+"]", why, expectedMember)
		}
	}
	c.checkLines(&fe, b.Natives)
	return fe.Err()
}

// CheckFrontend refuses a frontend with raw lines that lead to a control address, as
// CheckBackend does.
func (c *Control) CheckFrontend(f Frontend) error {
	var fe FieldErrors
	c.checkLines(&fe, f.Natives)
	return fe.Err()
}

// CheckSection refuses a section with raw lines that lead to a control address, as
// CheckBackend does.
func (c *Control) CheckSection(s Section) error {
	var fe FieldErrors
	c.checkLines(&fe, s.Natives)
	return fe.Err()
}

func (c *Control) checkLines(fe *FieldErrors, lines []RawLine) {
	for i, why := range c.refusedLines(lines) {
		if why != "" {
			fe.Add("natives["+strconv.Itoa(i)+"]", strconv.Quote(string(lines[i]))+": "+why, expectedMember)
		}
	}
}

// Mark returns the service with its instances at control addresses marked as refused and not
// healthy, so that nothing uses them. It returns s itself if there are none.
func (c *Control) Mark(s Service) Service {
	if c == nil || !slices.ContainsFunc(s.Instances, func(i Instance) bool { return c.Refusal(i.Address) != "" }) {
		return s
	}
	s.Instances = slices.Clone(s.Instances)
	for i := range s.Instances {
		if why := c.Refusal(s.Instances[i].Address); why != "" {
			s.Instances[i].Refused, s.Instances[i].Healthy = why, false
		}
	}
	return s
}

// A LeftOut is a configured member or raw line that HAProxy does not get.
type LeftOut struct {
	Object string // id of the frontend, backend or section
	What   string // the member's address, or the line
	Reason string
}

// String is a sentence for people.
func (l LeftOut) String() string {
	return l.Object + ": " + l.What + " is left out: " + l.Reason
}

// Strip removes from a configuration what leads to control addresses, and returns what that is. It
// is for definitions that were stored before they became forbidden: HAProxy keeps running with the
// rest.
func (c *Control) Strip(config Config) (Config, []LeftOut) {
	if c == nil {
		return config, nil
	}
	var out []LeftOut
	backends := config.Backends
	for i, p := range config.Backends {
		stripped, left := c.stripBackend(p)
		if len(left) == 0 {
			continue
		}
		if len(out) == 0 {
			backends = slices.Clone(config.Backends)
		}
		backends[i] = stripped
		out = append(out, left...)
	}
	config.Backends = backends
	frontends := config.Frontends
	for i, f := range config.Frontends {
		natives, left := c.stripLines(f.ID(), f.Natives)
		if len(left) == 0 {
			continue
		}
		if &frontends[0] == &config.Frontends[0] {
			frontends = slices.Clone(frontends)
		}
		frontends[i].Natives = natives
		out = append(out, left...)
	}
	config.Frontends = frontends
	sections := slices.Clone(config.Sections)
	for i, s := range sections {
		natives, left := c.stripLines(s.ID(), s.Natives)
		sections[i].Natives = natives
		out = append(out, left...)
	}
	config.Sections = sections
	return config, out
}

func (c *Control) stripBackend(p ResolvedBackend) (ResolvedBackend, []LeftOut) {
	var out []LeftOut
	members := make([]Member, 0, len(p.Members))
	for _, m := range p.Members {
		if why := c.Refusal(m.Address); why != "" {
			out = append(out, LeftOut{Object: p.ID(), What: m.Address.String(), Reason: why})
			continue
		}
		members = append(members, m)
	}
	natives, left := c.stripLines(p.ID(), p.Natives)
	if out = append(out, left...); len(out) == 0 {
		return p, nil
	}
	p.Members, p.Natives = members, natives
	return p, out
}

// stripLines are the raw lines of an object without those that lead to control
// addresses.
func (c *Control) stripLines(object string, lines []RawLine) (natives []RawLine, out []LeftOut) {
	why := c.refusedLines(lines)
	for i, n := range lines {
		if why[i] == "" {
			natives = append(natives, n)
			continue
		}
		out = append(out, LeftOut{Object: object, What: string(n), Reason: why[i]})
		if idle, ok := idleServer(n); ok {
			natives = append(natives, idle)
		}
	}
	return natives, out
}
