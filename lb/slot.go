package lb

import (
	"strconv"
	"strings"
)

// A Slot is one server line of a backend whose members change while HAProxy runs.
// The line keeps its name and takes one member after the other, so that
// membership needs no reload. Who serves is told by the member, never by the
// slot's name.
type Slot struct {
	// Member in the slot; nil: the slot is spare and in maintenance.
	Member *Member
	// Former is where the last member of a spare slot was; zero: not known to
	// have had one. It does not show in haproxy.cfg.
	Former HostPort
}

// SlotName is the server name of the slot with index i, counted from 0.
func SlotName(i int) string { return "s" + strconv.Itoa(i+1) }

// SlotIndex is the inverse of SlotName; -1 for other names.
func SlotIndex(server string) int {
	number, ok := strings.CutPrefix(server, "s")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || SlotName(n-1) != server {
		return -1
	}
	return n - 1
}

// A Server is one server line as haproxy.cfg has it.
type Server struct {
	Name    string
	Address HostPort
	Weight  int  // 0 to 256
	Spare   bool // in maintenance, the address means nothing
	ID      int  // the number of the line that it has to say; 0: HAProxy chooses it
	// Maintenance: an operator has taken the member out of use.
	Maintenance bool
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
			out[i] = Server{Name: m.ServerName(), Address: m.Address, Weight: m.Weight, Maintenance: m.Maintenance}
		}
		if p.Placement == PlacedByNumber {
			numberByAddress(out, p.rawNumbers())
		}
		return out
	}
	out := make([]Server, len(p.Slots))
	for i, s := range p.Slots {
		if s.Member != nil {
			out[i] = Server{Name: SlotName(i), Address: s.Member.Address, Weight: s.Member.Weight, Maintenance: s.Member.Maintenance}
		} else {
			out[i] = Server{Name: SlotName(i), Address: SpareAddress(), Weight: 1, Spare: true}
		}
	}
	return out
}

// Emptied is the backend with all its slots spare: what a reload would be needed
// for to change. A backend without slots is itself.
func (p ResolvedBackend) Emptied() ResolvedBackend {
	if p.Slots != nil {
		p.Slots = make([]Slot, len(p.Slots))
		p.Members = nil
	}
	return p
}

// Same reports whether two backends are one value: copies that share everything. It
// costs next to nothing; backends that are merely equal may be told apart.
func (p ResolvedBackend) Same(o ResolvedBackend) bool {
	return p.Key == o.Key && p.Type == o.Type && p.Service == o.Service && p.Version == o.Version && shared(p.Versions, o.Versions) &&
		p.Balance == o.Balance && p.Host == o.Host && p.Mode == o.Mode && p.Health == o.Health && p.Placement == o.Placement && p.HashStable == o.HashStable && p.Disabled == o.Disabled && p.Transport == o.Transport &&
		shared(p.Natives, o.Natives) && shared(p.Backend.Members, o.Backend.Members) &&
		shared(p.Members, o.Members) && shared(p.Slots, o.Slots)
}

// SameAnswer reports whether two values of a service share one answer's
// instances and hold the same.
func (s Service) SameAnswer(o Service) bool {
	return s.Index == o.Index && shared(s.Instances, o.Instances) && s.Hold.equal(o.Hold)
}

// shared reports whether two slices are one.
func shared[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// A ServerState is how one server line stands in a running HAProxy.
type ServerState struct {
	Backend Name
	Server  string
	Address HostPort
	Weight  int
	// Maintenance: it gets no traffic and is not checked. Draining: it gets no
	// new traffic but what belongs to a session.
	Maintenance, Draining bool
	// Unresolved: it is in maintenance because HAProxy cannot resolve its host name.
	Unresolved bool
	// Up is HAProxy's own opinion, by its checks.
	Up bool
	// Deviation says in words what is not as the file has it that the worker was started
	// with, weight, state and the address of a slot aside: "has check port 1, expected
	// 8080". Empty: nothing, or nobody knows.
	Deviation string
	// Added: that file does not have the line. It is compared with the first of its backend.
	Added bool
}

// A ServerOp changes one server line of a running HAProxy. The fields that are
// set take effect in the order in which they stand here.
type ServerOp struct {
	Backend Name
	Server  string
	// Add makes the line, as the first of its backend is: in maintenance, and checked once
	// it is in use. Spare lines are made after all else.
	Add     bool
	Address *HostPort
	// Unused demands of another Address that no connection to the former one is
	// in use: HAProxy 2.6 would reuse it for the server's next requests once its
	// own is over.
	Unused bool
	// Maintenance takes the server out of use.
	Maintenance bool
	Weight      *int
	// Up takes the checks' result back, as is right for another address: the
	// server is up until its checks say otherwise.
	Up bool
	// Ready puts the server to use.
	Ready bool
}
