package lb

import (
	"strconv"
	"strings"
)

// A Slot is one server line of a backend whose members change while HAProxy runs. The line keeps
// its name while its members change, so that a change needs no reload. Identify servers by the
// member, never by the name of the slot.
type Slot struct {
	// Member in the slot; nil: the slot is spare and in maintenance.
	Member *Member
	// Former is the address of the last member of a spare slot; zero: none is known. It is not
	// written to haproxy.cfg.
	Former HostPort
	// TLS is what the line says about TLS. Only members with the same can have it.
	TLS OwnTLS
}

// SlotName is the server name of a slot with index i, counted from 0, that says nothing about TLS.
func SlotName(i int) string { return "s" + strconv.Itoa(i+1) }

// name is the server name of the slot with index i.
func (s Slot) name(i int) string { return SlotName(i) + s.TLS.suffix() }

// SlotIndex is the index of the slot that a server is; -1 for other servers.
func SlotIndex(server string) int {
	i, _ := ParseSlotName(server)
	return i
}

// ParseSlotName reads the name of a slot. The index is -1 for other servers.
func ParseSlotName(server string) (index int, own OwnTLS) {
	rest, ok := strings.CutPrefix(server, "s")
	number, suffix := rest, ""
	if i := strings.IndexByte(rest, '-'); i > 0 {
		number, suffix = rest[:i], rest[i:]
	}
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || strconv.Itoa(n) != number {
		return -1, OwnTLS{}
	}
	own, ok = parseSuffix(suffix)
	if !ok {
		return -1, OwnTLS{}
	}
	return n - 1, own
}

// A Server is one server line of haproxy.cfg.
type Server struct {
	Name    string
	Address HostPort
	Weight  int  // 0 to 256
	Spare   bool // in maintenance, the address means nothing
	ID      int  // the number of the line that it has to say; 0: HAProxy chooses it
	// Maintenance: an operator has taken the member out of use.
	Maintenance bool
	// TLS is what the line says about TLS.
	TLS OwnTLS
}

// SpareAddress is the address in a slot that has had no member: HAProxy neither
// asks nor checks a server in maintenance.
func SpareAddress() HostPort { return HostPort{Host: "127.0.0.1", Port: 1} }

// Servers lists the backend's server lines: its slots where it has any, else a line
// for each member, named by its address, in the order of the members or as Placement says.
func (p ResolvedBackend) Servers() []Server {
	if p.Slots == nil {
		out := make([]Server, len(p.Members))
		for i, m := range p.Members {
			out[i] = Server{Name: m.ServerName(), Address: m.Address, Weight: m.Weight, Maintenance: m.Maintenance, TLS: m.TLS}
		}
		if p.Placement == PlacedByNumber {
			numberByAddress(out, p.rawNumbers())
		}
		return out
	}
	out := make([]Server, len(p.Slots))
	for i, s := range p.Slots {
		if s.Member != nil {
			out[i] = Server{Name: s.name(i), Address: s.Member.Address, Weight: s.Member.Weight, Maintenance: s.Member.Maintenance, TLS: s.TLS}
		} else {
			out[i] = Server{Name: s.name(i), Address: SpareAddress(), Weight: 1, Spare: true, TLS: s.TLS}
		}
	}
	return out
}

// Emptied is the backend with all its slots spare, and without those that say something about TLS.
// What remains cannot change without a reload. A backend without slots is returned unchanged.
func (p ResolvedBackend) Emptied() ResolvedBackend {
	if p.Slots != nil {
		n := 0
		for _, s := range p.Slots {
			if s.TLS == (OwnTLS{}) {
				n++
			}
		}
		p.Slots = make([]Slot, n)
		p.Members = nil
	}
	return p
}

// Same reports whether two backends are copies that share everything. It is cheap; for equal
// backends that do not share everything it may be false.
func (p ResolvedBackend) Same(o ResolvedBackend) bool {
	return p.Key == o.Key && p.Type == o.Type && p.Service == o.Service && p.Version == o.Version && shared(p.Versions, o.Versions) &&
		p.Balance == o.Balance && p.Host == o.Host && p.Mode == o.Mode && p.Health == o.Health && p.Placement == o.Placement && p.HashStable == o.HashStable && p.Disabled == o.Disabled && p.Transport == o.Transport &&
		shared(p.Natives, o.Natives) && shared(p.Backend.Members, o.Backend.Members) &&
		shared(p.Members, o.Members) && shared(p.Slots, o.Slots)
}

// SameAnswer reports whether two values of a service have the instances of the same answer, and the
// same hold.
func (s Service) SameAnswer(o Service) bool {
	return s.Index == o.Index && shared(s.Instances, o.Instances) && s.Hold.equal(o.Hold)
}

// shared reports whether two slices are one.
func shared[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// A ServerState is the state of one server line in a running HAProxy.
type ServerState struct {
	Backend Name
	Server  string
	Address HostPort
	Weight  int
	// Maintenance: it gets no traffic and is not checked. Draining: it gets no new traffic except
	// requests of existing sessions.
	Maintenance, Draining bool
	// Unresolved: it is in maintenance because HAProxy cannot resolve its host name.
	Unresolved bool
	// Up is the result of HAProxy's own checks.
	Up bool
	// Deviation says how the server differs from the file that the worker was started with: "has
	// check port 1, expected 8080". It does not compare the weight, the state and the address of a
	// slot. Empty: it does not differ, or that is unknown.
	Deviation string
	// Added: that file does not have the line. It is compared with the first of its backend.
	Added bool
}

// A ServerOp changes one server line of a running HAProxy. The fields that are set take effect in
// the order of this struct.
type ServerOp struct {
	Backend Name
	Server  string
	// Add creates the line with the options of the first line of its backend, and those that its
	// name stands for: in maintenance, and checked once it is in use. Spare lines are created last.
	Add     bool
	Address *HostPort
	// Unused requires, for another Address, that no connection to the former one is in use: HAProxy
	// 2.6 would reuse it for the server's next requests once its own is over.
	Unused bool
	// Maintenance takes the server out of use.
	Maintenance bool
	Weight      *int
	// Ready puts the server to use. HAProxy takes it for up, until one check fails.
	Ready bool
	// Up resets the result of checks, as is right for another address: the server is up until its
	// checks say otherwise, as often as its "fall" says.
	Up bool
}
