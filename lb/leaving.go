package lb

import "slices"

// ServerConnections are those of one server in one of HAProxy's workers.
type ServerConnections struct {
	Address HostPort
	// Connections with a request under way; in mode tcp, all.
	Connections int
	// Replaced: a reload has replaced this worker, and the worker still uses the server: a client
	// that keeps its connection open may send one more request.
	Replaced bool
}

// A DrainingMember is a server that is no longer a member of its backend and still has connections.
type DrainingMember struct {
	Member      // its version and meta only where Consul still knows the instance
	Connections int
	Replaced    bool // see ServerConnections
}

// Leaving finds the servers among those with connections that are no members of
// the backend, sorted by address.
func (p ResolvedBackend) Leaving(connections []ServerConnections, snap Snapshot) []DrainingMember {
	byAddress := map[HostPort]*DrainingMember{}
	for _, c := range connections {
		if slices.ContainsFunc(p.Members, func(m Member) bool { return m.Address == c.Address }) {
			continue
		}
		l := byAddress[c.Address]
		if l == nil {
			l = &DrainingMember{Member: snap.Services[p.Service].former(p.Service, c.Address)}
			byAddress[c.Address] = l
		}
		l.Connections += c.Connections
		l.Replaced = l.Replaced || c.Replaced
	}
	out := make([]DrainingMember, 0, len(byAddress))
	for _, l := range byAddress {
		out = append(out, *l)
	}
	slices.SortFunc(out, func(a, b DrainingMember) int { return compareMembers(a.Member, b.Member) })
	return out
}

// former is what is known about an instance that was a member.
func (s Service) former(name Name, address HostPort) Member {
	m := Member{Service: name, Address: address}
	for _, i := range s.Instances {
		if i.Address == address {
			m.Version, m.Meta, m.LastKnown = i.Version, i.Meta, s.Seen
		}
	}
	return m
}
