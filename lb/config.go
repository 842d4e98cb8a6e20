package lb

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// A Config is everything that HAProxy should run: explicit, sorted by key, with all members
// resolved.
type Config struct {
	Process   Process
	Frontends []Frontend
	Backends  []ResolvedBackend
	// Sections are in the order of Intent.SortedSections.
	Sections []Section
	// ChallengeMap is the path of the answers to HTTP-01 challenges for frontends that answer them
	// (Frontend.AnswersChallenges); empty: none does.
	ChallengeMap string
	// Certificates are those that something uses and that are available, sorted by key.
	Certificates []Certificate
}

// Part is the configuration with only the backends named, in sorted order.
func (c Config) Part(names []Name) Config {
	part := c
	part.Backends = make([]ResolvedBackend, 0, len(names))
	for _, name := range names {
		if i, ok := c.find(name); ok {
			part.Backends = append(part.Backends, c.Backends[i])
		}
	}
	return part
}

// With is the configuration with the backends of part instead of its own of the same names.
func (c Config) With(part Config) Config {
	c.Backends = slices.Clone(c.Backends)
	for _, p := range part.Backends {
		if i, ok := c.find(p.Key); ok {
			c.Backends[i] = p
		}
	}
	return c
}

func (c Config) find(name Name) (int, bool) {
	return slices.BinarySearchFunc(c.Backends, name, func(p ResolvedBackend, name Name) int { return cmp.Compare(p.Key, name) })
}

// StatsPath is the path of HAProxy's statistics page at the address of the API.
const StatsPath = "/haproxy/stats/"

// Process holds the settings of HAProxy itself.
type Process struct {
	StatsSocket string // path of the stats socket, level admin
	// SocketUser owns the stats socket; empty: the user who starts HAProxy.
	SocketUser string
	// StateFile is where a new worker finds the states of servers in the previous one; empty: it
	// starts as if they were all up.
	StateFile string
	// PeersSocket is the path of a socket over which a new worker gets the stick tables of the
	// previous one; empty: they start empty.
	PeersSocket string
	// PageSocket is the path of a socket at which the workers serve HAProxy's statistics
	// page, at StatsPath; empty: there is none. Its owner is that of StatsSocket.
	PageSocket string
	// CertificateDir is the absolute path of the folder of TLSFiles.
	CertificateDir string
	// User and Group the workers run as; empty: those of the process that starts HAProxy.
	User, Group string
	// Log is the target and facility of the log line, e.g. "/dev/log local0".
	Log string
	// MaxConn bounds concurrent connections; 0: HAProxy decides.
	MaxConn int
	// HardStopAfter bounds the life of a worker after a reload.
	HardStopAfter time.Duration
	// StatsBind is the address of HAProxy's own statistics page; nil: none.
	StatsBind *Bind
	// AgentChecks: the template makes HAProxy ask agents about servers, of any backend.
	AgentChecks bool
	// HashKey: HAProxy has the server option "hash-key", and the template writes it.
	HashKey bool
	// Unnumbered: the template does not write the numbers of server lines.
	Unnumbered bool
	// HashType is the argument of "hash-type" in the template; empty: it has none.
	HashType string
	// Hosts are the names that the node itself knows; nil: localhost. They only affect the
	// addresses of members.
	Hosts *Hosts
	// Challenges are used if a certificate is ordered with HTTP-01.
	Challenges Challenges
}

// Equal reports whether HAProxy has the same settings.
func (p Process) Equal(o Process) bool {
	a, b := p.StatsBind, o.StatsBind
	if (a == nil) != (b == nil) || a != nil && *a != *b {
		return false
	}
	p.StatsBind, o.StatsBind = nil, nil
	return p == o
}

// A ResolvedBackend is a backend with its members.
type ResolvedBackend struct {
	Backend
	// Members of a dynamic backend are sorted by address, those of a static one
	// stay in the operator's order; no address stands twice.
	Members []Member
	// Slots are the backend's server lines, where its members change while HAProxy
	// runs: as many as it has room for, each member in one of them. nil: each
	// member has a line of its own.
	Slots []Slot
	// Arrivals is the number of members that a switch to another version may bring: the healthy
	// instances of the largest version of the service without traffic. 0: unknown.
	Arrivals int
	// AgentCheck: an agent that HAProxy asks owns the weights and states of the servers.
	// Members have the weights that its percentages are of.
	AgentCheck bool
	// Placement says how keys are assigned to members, if the backend hashes.
	Placement Placement
}

// A Member is one server of a backend.
type Member struct {
	Address HostPort
	// Named is the host name that Address was found under (Hosts); empty: it is as given.
	Named Host
	// Weight in HAProxy's scale, 0 to 256.
	Weight int
	// Service and Version it was found under; empty in a static backend.
	Service Name
	Version Version
	// LastKnown is when Consul last confirmed it; zero in a static backend.
	LastKnown time.Time
	// Meta is the instance's Consul meta.
	Meta map[string]string
	// TLS is what the instance says about TLS to it, where the backend allows that.
	TLS OwnTLS
	// Override is the state or weight that an operator has set for the member; nil: none. Weight
	// and Maintenance follow from it.
	Override *Override
	// Maintenance: an operator has taken the member out of use.
	Maintenance bool

	hasOwn bool // own counts
	own    int  // weight without overrides
}

// host is the host as it was given.
func (m Member) host() string { return string(cmp.Or(m.Named, m.Address.Host)) }

// Given is the member's address as it was given: with the host name that was resolved.
func (m Member) Given() HostPort { return HostPort{Host: Host(m.host()), Port: m.Address.Port} }

// ServerName names the member in haproxy.cfg: its address as given, without brackets
// (HAProxy allows A-Z a-z 0-9 _ . : - there).
func (m Member) ServerName() string {
	return m.host() + ":" + strconv.Itoa(int(m.Address.Port))
}

// ID is "/NAME/VERSION/HOST/PORT" with Consul's service name and version.
func (m Member) ID() string {
	return "/" + string(m.Service) + "/" + string(m.Version) + "/" + m.host() + "/" + strconv.Itoa(int(m.Address.Port))
}

// Resolve finds the members of every backend: the healthy instances of the service and versions
// that it names, or the static list. Versions are selected only here.
func Resolve(in Intent, snap Snapshot, p Process) Config {
	c := Config{Process: p, Sections: in.SortedSections(), Certificates: usedCertificates(in)}
	if in.WantsChallenges() || p.Challenges.Always {
		c.ChallengeMap = p.Challenges.Map
	}
	for _, f := range in.SortedFrontends() {
		if resolved, listens := f.resolved(); listens {
			c.Frontends = append(c.Frontends, resolved)
		}
	}
	for _, b := range in.SortedBackends() {
		found := p.Populate(b, snap)
		if !c.ReachesMembers(b) {
			found.Members = nil
		}
		c.Backends = append(c.Backends, found)
	}
	return c
}

// Populate is Populate for a HAProxy with these settings.
func (p Process) Populate(b Backend, snap Snapshot) ResolvedBackend {
	found := populate(b, snap, p.AgentChecks)
	p.Hosts.resolved(found.Members)
	found.Placement = p.placement(b)
	return found
}

// Populate finds the members of one backend. Their weights divide the traffic between versions.
func Populate(b Backend, snap Snapshot) ResolvedBackend { return populate(b, snap, false) }

func populate(b Backend, snap Snapshot, asksAgent bool) ResolvedBackend {
	p := findMembers(b, snap)
	if asksAgent || b.AsksAgent() {
		p = p.leaveToAgent()
	}
	return p.Overridden(snap.Overrides)
}

// findMembers is Populate with the weights that Consul and the split ask for.
func findMembers(b Backend, snap Snapshot) ResolvedBackend {
	p := ResolvedBackend{Backend: b}
	switch {
	case b.Type == "static":
		p.Members = b.staticMembers()
		return p
	case b.Disabled:
		return p
	}
	service, split := snap.Services[b.Service], b.Split()
	p.Arrivals = service.arrivals(split)
	count := 0
	for _, i := range service.Instances {
		if _, ok := split.of(i); ok && i.Healthy {
			count++
		}
	}
	p.Members = slices.Grow(p.Members, count)
	for _, i := range service.Instances {
		if version, ok := split.of(i); ok && i.Healthy {
			p.Members = append(p.Members, Member{
				Address: i.Address, Weight: i.Weight,
				Service: b.Service, Version: version, LastKnown: service.Seen, Meta: i.Meta, TLS: b.Transport.TLS.own(i.Meta),
			})
		}
	}
	slices.SortStableFunc(p.Members, compareMembers)
	p.Members = slices.CompactFunc(p.Members, func(a, b Member) bool { return a.Address == b.Address })
	shareNothing(p.Members)
	if b.Versions == nil {
		scaleWeights(p.Members)
	} else {
		shareWeights(p.Members, b.Versions)
	}
	return p
}

func compareMembers(a, b Member) int {
	if c := cmp.Compare(a.Address.Host, b.Address.Host); c != 0 {
		return c
	}
	return int(a.Address.Port) - int(b.Address.Port)
}
