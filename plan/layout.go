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
		i, own := lb.ParseSlotName(s.Server)
		if i < 0 || i != len(out[s.Backend]) { // slots come in their order, without a gap
			continue
		}
		slot := lb.Slot{TLS: own}
		switch {
		case !s.Maintenance:
			slot.Member = &lb.Member{Address: s.Address, Weight: s.Weight, TLS: own}
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
	return layout(now, c, growth{spare: noSpares, keepsLeft: true})
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
//
// What the line of a slot says about TLS stays as it is (lb.OwnTLS). Members that say something
// about themselves share slots only with members that say the same, and have no spare ones:
// HAProxy adds a slot for each. The first slot says nothing, because it is the model for those
// that are added. More than maxSpare such slots of members that are gone are dropped, which takes a
// reload.
func Layout(now Slots, wanted lb.Config) lb.Config {
	members, g := 0, growth{spare: maxSpare}
	for _, p := range wanted.Backends {
		members += len(p.Members)
	}
	if members >= manyMembers {
		g.spare = fewSpare
	}
	return layout(now, wanted, g)
}

// LayoutBackend is Layout for one backend.
func LayoutBackend(now []lb.Slot, p lb.ResolvedBackend) lb.ResolvedBackend {
	return layoutBackend(now, p, growth{spare: maxSpare})
}

// DropSpares is Layout for a HAProxy that cannot have that many server lines: a backend grows only
// by the members that find no slot, and before that by none: it drops the slots of members that are
// gone and said something about TLS.
func DropSpares(now Slots, wanted lb.Config) lb.Config {
	return layout(now, wanted, growth{spare: noSpares})
}

// DropSparesOf is DropSpares for one backend.
func DropSparesOf(now []lb.Slot, p lb.ResolvedBackend) lb.ResolvedBackend {
	return layoutBackend(now, p, growth{spare: noSpares})
}

// A growth says how the slots of a backend may change.
type growth struct {
	spare int // limit of spare slots, or noSpares
	// keepsLeft: slots of members that are gone are never dropped, which would take a reload.
	keepsLeft bool
}

func layout(now Slots, wanted lb.Config, g growth) lb.Config {
	pools := make([]lb.ResolvedBackend, len(wanted.Backends))
	for i, p := range wanted.Backends {
		pools[i] = layoutBackend(now[p.Key], p, g)
	}
	wanted.Backends = pools
	return wanted
}

func layoutBackend(now []lb.Slot, p lb.ResolvedBackend, g growth) lb.ResolvedBackend {
	p.Slots = nil
	if slotted(p) {
		p.Slots = assign(now, p, g)
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
func assign(now []lb.Slot, p lb.ResolvedBackend, g growth) []lb.Slot {
	if g.keepsLeft {
		return place(now, p, g.spare)
	}
	if countLeft(now) > maxSpare {
		return place(withoutLeft(now, p.Members), p, g.spare)
	}
	slots := place(now, p, g.spare)
	if g.spare == noSpares && len(slots) > len(now) {
		return place(withoutLeft(now, p.Members), p, g.spare)
	}
	return slots
}

// place keeps members where they are, and gives slots to the others.
func place(now []lb.Slot, p lb.ResolvedBackend, spareLimit int) []lb.Slot {
	slots, arriving := keep(now, p.Members)
	slots = placeOwn(placeShared(slots, now, arriving, p, spareLimit), now, arriving, p)
	if len(now) > 0 { // HAProxy adds lines in use before spare ones, and keeps their order
		slices.SortStableFunc(slots[len(now):], func(a, b lb.Slot) int { return cmp.Compare(spares(a), spares(b)) })
	}
	return slots
}

// spares is 1 for a spare slot, else 0.
func spares(s lb.Slot) int {
	if s.Member == nil {
		return 1
	}
	return 0
}

// placeShared gives slots to the arriving members that say nothing about TLS.
func placeShared(slots, now []lb.Slot, arriving []*lb.Member, p lb.ResolvedBackend, spareLimit int) []lb.Slot {
	arriving = slices.DeleteFunc(slices.Clone(arriving), func(m *lb.Member) bool { return m.TLS != lb.OwnTLS{} })
	own := 0
	for _, s := range now {
		if s.TLS != (lb.OwnTLS{}) {
			own++
		}
	}
	free, shared := empty(slots, now, lb.OwnTLS{}), len(now)-own
	members, size := sharing(p), shared
	isShort, hasNoRoom := len(arriving) > len(free) || size == 0, size < members+successors(p, members)
	switch {
	case spareLimit == noSpares && isShort:
		size = max(1, size+len(arriving)-len(empty(slots, nil, lb.OwnTLS{})), size)
	case spareLimit != noSpares && (isShort || hasNoRoom):
		size = max(2*size, members+room(p, members, spareLimit))
		if takesLines(p) {
			size = max(size, shared-len(free)+len(arriving))
		}
	}
	if isShort || size > shared {
		slots = append(slots, make([]lb.Slot, size-shared)...)
		free = empty(slots, nil, lb.OwnTLS{}) // nothing is under way in a new worker
		if spareLimit != noSpares && takesLines(p) {
			free = empty(slots, append(slices.Clone(now), make([]lb.Slot, size-shared)...), lb.OwnTLS{})
		}
	}
	for i, m := range arriving {
		slots[free[i]] = lb.Slot{Member: m}
	}
	return slots
}

// placeOwn gives slots to the arriving members that say something about TLS.
func placeOwn(slots, now []lb.Slot, arriving []*lb.Member, p lb.ResolvedBackend) []lb.Slot {
	free := map[lb.OwnTLS][]int{} // of what was looked for
	for _, m := range arriving {
		if m.TLS == (lb.OwnTLS{}) {
			continue
		}
		list, known := free[m.TLS]
		if !known {
			list = empty(slots[:len(now)], now, m.TLS)
			if !takesLines(p) { // there will be a new worker, where nothing is under way
				list = append(list, empty(slots[:len(now)], nil, m.TLS)...)
			}
		}
		for len(list) > 0 && slots[list[0]].Member != nil {
			list = list[1:]
		}
		if len(list) == 0 {
			list, slots = []int{len(slots)}, append(slots, lb.Slot{})
		}
		slots[list[0]] = lb.Slot{Member: m, TLS: m.TLS}
		free[m.TLS] = list[1:]
	}
	return slots
}

// countLeft counts the slots of members that are gone and said something about TLS.
func countLeft(now []lb.Slot) (n int) {
	for _, s := range now {
		if s.Member == nil && s.TLS != (lb.OwnTLS{}) {
			n++
		}
	}
	return n
}

// withoutLeft leaves out the slots that say something about TLS and have none of the members. Then the
// others get other names, which takes a reload.
func withoutLeft(now []lb.Slot, members []lb.Member) []lb.Slot {
	stays := make(map[spot]bool, len(members))
	for _, m := range members {
		stays[spot{m.Address, m.TLS}] = true
	}
	return slices.DeleteFunc(slices.Clone(now), func(s lb.Slot) bool {
		return s.TLS != lb.OwnTLS{} && (s.Member == nil || !stays[spot{s.Member.Address, s.TLS}])
	})
}

// sharing counts the members that say nothing about TLS.
func sharing(p lb.ResolvedBackend) (n int) {
	for _, m := range p.Members {
		if m.TLS == (lb.OwnTLS{}) {
			n++
		}
	}
	return n
}

// successors is the number of members of other versions that a backend reserves slots for. A switch
// needs slots for the members of both versions, since a slot in use must not take another address.
// It is as many as the other version has, at most as many as the backend has members or maxSpare:
// each line costs a file descriptor and memory. None are reserved if no member can use them, because
// each says something about TLS.
func successors(p lb.ResolvedBackend, members int) int {
	if members == 0 && len(p.Members) > 0 {
		return 0
	}
	return min(p.Arrivals, max(members, maxSpare))
}

// room is the number of spare slots that a backend gets: for its successors, or for a version not
// seen yet as many as there are members, up to spareLimit; and one more for an instance that
// appears meanwhile.
func room(p lb.ResolvedBackend, members, spareLimit int) int {
	return max(minSpare, min(members+1, spareLimit), successors(p, members)+1)
}

// A spot is where a member is: its address and its line.
type spot struct {
	address lb.HostPort
	own     lb.OwnTLS
}

// keep leaves members where they are, or were last, in now. The others are
// arriving.
func keep(now []lb.Slot, members []lb.Member) (slots []lb.Slot, arriving []*lb.Member) {
	slots = make([]lb.Slot, len(now))
	at := make(map[spot]int, len(now))
	for i, s := range now {
		slots[i].Former, slots[i].TLS = s.Former, s.TLS
		if s.Member != nil {
			slots[i].Former = s.Member.Address
		}
		here := spot{slots[i].Former, s.TLS}
		if before, ok := at[here]; !ok || now[before].Member == nil {
			at[here] = i
		}
	}
	for i := range members {
		m := &members[i]
		if i, ok := at[spot{m.Address, m.TLS}]; ok && slots[i].Member == nil {
			slots[i] = lb.Slot{Member: m, TLS: m.TLS}
			continue
		}
		arriving = append(arriving, m)
	}
	return slots, arriving
}

// empty lists the slots without a member that say this about TLS, those that never had one first.
// Where now is given they have to be spare in it, too.
func empty(slots, now []lb.Slot, own lb.OwnTLS) []int {
	var out []int
	for i, s := range slots {
		if s.Member == nil && s.TLS == own && (now == nil || now[i].Member == nil) {
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
