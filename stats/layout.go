package stats

import "thalassa/lb"

// A layout is the members of HAProxy's backends.
type layout struct {
	version uint64 // grows with every change
	config  []lb.ResolvedBackend
	members map[string]*backendMembers
}

// backendMembers are the members of one backend.
type backendMembers struct {
	of lb.ResolvedBackend
	// members is the index of a member in of.Members by the address, where members take
	// slots in turn, else by the name of the line.
	members map[string]int
}

// update replaces the configuration and reports whether it changed.
func (l *layout) update(backends []lb.ResolvedBackend) bool {
	if l.members != nil && same(l.config, backends) {
		return false
	}
	members := make(map[string]*backendMembers, len(backends))
	for _, b := range backends {
		if old := l.members[string(b.Key)]; old != nil && old.of.Same(b) {
			members[string(b.Key)] = old
			continue
		}
		members[string(b.Key)] = newBackendMembers(b)
	}
	l.config, l.members = backends, members
	l.version++
	return true
}

func same(a, b []lb.ResolvedBackend) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !a[i].Same(b[i]) {
			return false
		}
	}
	return true
}

func newBackendMembers(b lb.ResolvedBackend) *backendMembers {
	p := &backendMembers{of: b, members: make(map[string]int, len(b.Members))}
	for i, m := range b.Members {
		if b.Slots != nil {
			p.members[m.Address.String()] = i
		} else {
			p.members[m.ServerName()] = i
		}
	}
	return p
}

// member is the member in a line; false: none that belongs there.
func (p *backendMembers) member(server, address string) (lb.Member, bool) {
	if p.of.Slots == nil {
		return p.known(server)
	}
	m, ok := p.known(address)
	if !ok { // HAProxy may write an IPv6 address differently
		bind, err := lb.ParseBind(address)
		if err != nil {
			return lb.Member{}, false
		}
		m, ok = p.known(lb.HostPort(bind).String())
	}
	// A member that says something else about TLS than before has another line.
	_, own := lb.ParseSlotName(server)
	return m, ok && own == m.TLS
}

func (p *backendMembers) known(by string) (lb.Member, bool) {
	i, ok := p.members[by]
	if !ok {
		return lb.Member{}, false
	}
	return p.of.Members[i], true
}
