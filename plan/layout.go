package plan

import (
	"cmp"
	"slices"

	"thalassa/lb"
)

// Limits of the spare slots of a backend; see room.
const (
	minSpare, maxSpare = 3, 128
	// fewSpare is used instead of maxSpare in a configuration with manyMembers or more.
	fewSpare, manyMembers = 8, 5000
	// noSpares is used instead of it where no spare slots are wanted.
	noSpares = -1
)

// Slots are the server lines that HAProxy has now, by backend.
type Slots map[lb.Name][]lb.Slot

// SlotsOf are the slots of a configuration.
func SlotsOf(c lb.Config) Slots {
	out := make(Slots, len(c.Backends))
	for _, p := range c.Backends {
		if p.Slots != nil {
			out[p.Key] = p.Slots
		}
	}
	return out
}

// SlotsIn finds the slots in the servers of a running HAProxy, for an agent that did not
// start it.
func SlotsIn(servers []lb.ServerState) Slots {
	out := Slots{}
	for _, s := range servers {
		i := lb.SlotIndex(s.Server)
		if i < 0 || i != len(out[s.Backend]) { // slots come in their order, without a gap
			continue
		}
		slot := lb.Slot{}
		switch {
		case !s.Maintenance:
			slot.Member = &lb.Member{Address: s.Address, Weight: s.Weight}
		case s.Address != lb.SpareAddress():
			slot.Former = s.Address
		}
		out[s.Backend] = append(out[s.Backend], slot)
	}
	return out
}

// Reassign is Layout for a running HAProxy whose servers somebody else has changed: a member whose
// slot now has another address gets another slot. No backend grows for spare slots, which would
// cost a reload.
func Reassign(c lb.Config, servers []lb.ServerState) lb.Config {
	now := SlotsIn(servers)
	for _, p := range c.Backends {
		if len(now[p.Key]) < len(p.Slots) {
			now[p.Key] = p.Slots // a slot is missing, as a comparison will show
		}
		now[p.Key] = now[p.Key][:len(p.Slots)]
	}
	return DropSpares(now, c)
}

// Layout gives every member of the wanted configuration a slot. Members stay where they are in now,
// and one that comes back gets its former slot. Others get slots that are spare in now, never used
// ones first: a slot that becomes free in this change may still have requests in progress.
//
// A new backend has room for a switch to another version (see room). A backend grows to twice as
// many slots when the spare ones are too few for its members, or for such a switch. The running
// HAProxy adds them where it can (see takesLines); else that needs a reload. It never shrinks.
// Static backends whose members have no names, and those with a member that has a host name, get no
// slots: HAProxy can change only addresses at run time. Nor do those with agent checks: HAProxy
// asks the agent of a spare line, too, whose answer may set the line ready, and percentages refer
// to the weight in haproxy.cfg. Nor do those that hash by the numbers of their lines
// (lb.PlacedByNumber): a slot keeps its number when its member changes.
func Layout(now Slots, wanted lb.Config) lb.Config {
	members, spareLimit := 0, maxSpare
	for _, p := range wanted.Backends {
		members += len(p.Members)
	}
	if members >= manyMembers {
		spareLimit = fewSpare
	}
	return layout(now, wanted, spareLimit)
}

// LayoutBackend is Layout for one backend.
func LayoutBackend(now []lb.Slot, p lb.ResolvedBackend) lb.ResolvedBackend {
	return layoutBackend(now, p, maxSpare)
}

// DropSpares is Layout for a HAProxy that cannot have that many server lines: a backend grows only
// by the members that find no slot.
func DropSpares(now Slots, wanted lb.Config) lb.Config { return layout(now, wanted, noSpares) }

// DropSparesOf is DropSpares for one backend.
func DropSparesOf(now []lb.Slot, p lb.ResolvedBackend) lb.ResolvedBackend {
	return layoutBackend(now, p, noSpares)
}

func layout(now Slots, wanted lb.Config, spareLimit int) lb.Config {
	pools := make([]lb.ResolvedBackend, len(wanted.Backends))
	for i, p := range wanted.Backends {
		pools[i] = layoutBackend(now[p.Key], p, spareLimit)
	}
	wanted.Backends = pools
	return wanted
}

func layoutBackend(now []lb.Slot, p lb.ResolvedBackend, spareLimit int) lb.ResolvedBackend {
	p.Slots = nil
	if slotted(p) {
		p.Slots = assign(now, p, spareLimit)
	}
	return p
}

func slotted(p lb.ResolvedBackend) bool {
	if p.Type != "dynamic" && !p.HasTargets() || p.AgentCheck || p.Placement == lb.PlacedByNumber {
		return false
	}
	for _, m := range p.Members {
		if !m.Address.Host.IsIP() || m.Named != "" {
			return false
		}
	}
	return true
}

// assign is Layout for the slots of one backend.
func assign(now []lb.Slot, p lb.ResolvedBackend, spareLimit int) []lb.Slot {
	slots, arriving := keep(now, p.Members)
	free := empty(slots, now)
	size := len(now)
	isShort, hasNoRoom := len(arriving) > len(free) || size == 0, size < len(p.Members)+successors(p)
	switch {
	case spareLimit == noSpares && isShort:
		size = max(1, size+len(arriving)-len(empty(slots, nil)), size)
	case spareLimit != noSpares && (isShort || hasNoRoom):
		size = max(2*size, len(p.Members)+room(p, spareLimit))
		if takesLines(p) {
			size = max(size, len(now)-len(free)+len(arriving))
		}
	}
	if isShort || size > len(now) {
		slots = append(slots, make([]lb.Slot, size-len(now))...)
		free = empty(slots, nil) // nothing is under way in a new worker
		if spareLimit != noSpares && takesLines(p) {
			free = empty(slots, append(slices.Clone(now), make([]lb.Slot, size-len(now))...))
		}
	}
	for i, m := range arriving {
		slots[free[i]] = lb.Slot{Member: m}
	}
	return slots
}

// successors is the number of members of other versions that a backend reserves slots for. A switch
// needs slots for the members of both versions, since a slot in use must not take another address.
// It is as many as the other version has, at most as many as the backend has members or maxSpare:
// each line costs a file descriptor and memory.
func successors(p lb.ResolvedBackend) int {
	return min(p.Arrivals, max(len(p.Members), maxSpare))
}

// room is the number of spare slots that a backend gets: for its successors, or for a version not
// seen yet as many as there are members, up to spareLimit; and one more for an instance that
// appears meanwhile.
func room(p lb.ResolvedBackend, spareLimit int) int {
	return max(minSpare, min(len(p.Members)+1, spareLimit), successors(p)+1)
}

// keep leaves members where they are, or were last, in now. The others are
// arriving.
func keep(now []lb.Slot, members []lb.Member) (slots []lb.Slot, arriving []*lb.Member) {
	slots = make([]lb.Slot, len(now))
	at := make(map[lb.HostPort]int, len(now))
	for i, s := range now {
		slots[i].Former = s.Former
		if s.Member != nil {
			slots[i].Former = s.Member.Address
		}
		if before, ok := at[slots[i].Former]; !ok || now[before].Member == nil {
			at[slots[i].Former] = i
		}
	}
	for i := range members {
		m := &members[i]
		if place, ok := at[m.Address]; ok && slots[place].Member == nil {
			slots[place] = lb.Slot{Member: m}
			continue
		}
		arriving = append(arriving, m)
	}
	return slots, arriving
}

// empty lists the slots without a member, those that never had one first. Where
// now is given they have to be spare in it, too.
func empty(slots, now []lb.Slot) []int {
	var out []int
	for i, s := range slots {
		if s.Member == nil && (now == nil || now[i].Member == nil) {
			out = append(out, i)
		}
	}
	slices.SortStableFunc(out, func(a, b int) int {
		return cmp.Compare(formers(slots[a]), formers(slots[b]))
	})
	return out
}

// formers is 1 where a spare slot is known to have had a member, else 0.
func formers(s lb.Slot) int {
	if s.Former == (lb.HostPort{}) {
		return 0
	}
	return 1
}
