package lb

import (
	"slices"
	"strconv"
)

// A StaticMember is a member that a static backend lists.
type StaticMember struct {
	HostPort
	// Target is its name in the gateways/pools dialect; empty: its address stands for it.
	Target Name
	// Weight is a number in HAProxy's scale, never percent; the zero value: that of a raw
	// default-server line, or 1.
	Weight Weighting
	// Disabled: it is listed and gets no requests.
	Disabled bool
}

// A MemberSpec is a static member as written by a user, not yet checked.
type MemberSpec struct {
	Host     string
	Port     int
	Target   string
	Weight   *int // nil: none of its own
	Disabled bool
}

// IsPlain reports whether the member is an address and nothing else.
func (m StaticMember) IsPlain() bool { return m == StaticMember{HostPort: m.HostPort} }

// HasTargets reports whether a static backend has a member with a name: its members then
// change while HAProxy runs, as those of a dynamic backend do.
func (b Backend) HasTargets() bool {
	return b.Type == "static" && slices.ContainsFunc(b.Members, func(m StaticMember) bool { return m.Target != "" })
}

// lists reports whether a static backend lists an address.
func (b Backend) lists(a HostPort) bool {
	return slices.ContainsFunc(b.Members, func(m StaticMember) bool { return m.HostPort == a })
}

// StaticWeight is the weight of a static member: its own, or that of the backend.
func (b Backend) StaticWeight(m StaticMember) int { return m.Weight.of(b.DefaultWeight()) }

// DefaultWeight is the weight of static members without one of their own: that of a raw
// default-server line, or 1.
func (b Backend) DefaultWeight() int {
	if w := b.serverDefaults().weight; w >= 0 {
		return w
	}
	return 1
}

// staticMembers are the members that a static backend has in use.
func (b Backend) staticMembers() []Member {
	if b.Disabled {
		return nil
	}
	out, weight := make([]Member, 0, len(b.Members)), b.DefaultWeight()
	for _, m := range b.Members {
		if !m.Disabled {
			out = append(out, Member{Address: m.HostPort, Weight: m.Weight.of(weight)})
		}
	}
	return out
}

// keepingTargets is the backend with the names, weights and states that its members had in
// an earlier definition, where it says nothing of a member but its address.
func (b Backend) keepingTargets(before Backend) Backend {
	if b.Type != "static" || before.Type != "static" {
		return b
	}
	former := make(map[HostPort]StaticMember, len(before.Members))
	for _, m := range before.Members {
		if !m.IsPlain() {
			former[m.HostPort] = m
		}
	}
	taken := map[Name]bool{}
	for _, m := range b.Members {
		taken[m.Target] = m.Target != ""
	}
	b.Members = slices.Clone(b.Members)
	for i, m := range b.Members {
		if old, known := former[m.HostPort]; known && m.IsPlain() {
			if taken[old.Target] {
				old.Target = "" // another member has the name now
			}
			b.Members[i] = old
		}
	}
	return b
}

// parseMember checks one static member.
func parseMember(fe *FieldErrors, path string, in MemberSpec) (m StaticMember, ok bool) {
	host, err := ParseHost(in.Host)
	fe.AddErr(path+".host", err)
	isPort := in.Port >= 1 && in.Port <= 65535
	if !isPort {
		fe.Add(path+".port", strconv.Itoa(in.Port)+" is not a port", "1 to 65535")
	}
	m.Disabled = in.Disabled
	if in.Target != "" {
		var targetErr error
		m.Target, targetErr = ParseName(in.Target)
		fe.AddErr(path+".target", targetErr)
	}
	if w := in.Weight; w != nil {
		if *w < 0 || *w > maxWeight {
			fe.Add(path+".weight", strconv.Itoa(*w)+" is not a weight", "0 to "+strconv.Itoa(maxWeight))
		}
		m.Weight = Weighting{IsSet: true, Value: *w}
	}
	if err != nil || !isPort {
		return m, false
	}
	m.HostPort = HostPort{Host: host, Port: uint16(in.Port)}
	return m, true
}

// parseStaticMembers checks a list of members: each address and each name stands once.
func parseStaticMembers(fe *FieldErrors, in []MemberSpec) []StaticMember {
	var out []StaticMember
	seen, named := map[HostPort]bool{}, map[Name]bool{}
	for i, spec := range in {
		path := "members[" + strconv.Itoa(i) + "]"
		m, ok := parseMember(fe, path, spec)
		if !ok {
			continue
		}
		if seen[m.HostPort] {
			fe.Add(path, m.String()+" is named twice", "each member once")
		}
		if m.Target != "" && named[m.Target] {
			fe.Add(path+".target", strconv.Quote(string(m.Target))+" is the name of two members", "each name once")
		}
		seen[m.HostPort], named[m.Target] = true, true
		out = append(out, m)
	}
	return out
}

// spec is what parseMember makes this member of.
func (m StaticMember) spec() MemberSpec {
	s := MemberSpec{Host: string(m.Host), Port: int(m.Port), Target: string(m.Target), Disabled: m.Disabled}
	if m.Weight.IsSet {
		s.Weight = &m.Weight.Value
	}
	return s
}

// texts are what the member adds to the digest of its backend.
func (m StaticMember) texts() []string {
	if m.IsPlain() {
		return []string{m.String()}
	}
	return []string{m.String(), string(m.Target), m.Weight.String(), strconv.FormatBool(m.Weight.IsSet), strconv.FormatBool(m.Disabled)}
}
