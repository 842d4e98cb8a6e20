package plan

import (
	"math/bits"
	"strconv"
	"strings"

	"thalassa/lb"
)

// minSlots is how many slots a pool has at least.
const minSlots = 4

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

// Recall finds the slots in the servers of a running HAProxy, as an agent does
// that was not there when it was started.
func Recall(servers []lb.ServerState) Slots {
	out := Slots{}
	for _, s := range servers {
		i := slotIndex(s.Server)
		if i < 0 || i != len(out[s.Backend]) { // slots come in their order, without a gap
			continue
		}
		slot := lb.Slot{}
		if !s.Maintenance {
			slot.Member = &lb.Member{Address: s.Address, Weight: s.Weight}
		}
		out[s.Backend] = append(out[s.Backend], slot)
	}
	return out
}

// slotIndex is the inverse of lb.SlotName; -1 for other names.
func slotIndex(server string) int {
	number, ok := strings.CutPrefix(server, "s")
	n, err := strconv.Atoi(number)
	if !ok || err != nil || n < 1 || lb.SlotName(n-1) != server {
		return -1
	}
	return n - 1
}

// Layout gives every member of the wanted configuration a slot. Members stay
// where they are in now, others take free slots, the first ones first. A pool
// has at least minSlots and always one more than members when it is laid out
// anew; it grows by doubling and does not shrink. Static pools, and those with
// a member that has a host name, get no slots: HAProxy can change only addresses
// at run time.
func Layout(now Slots, wanted lb.Config) lb.Config {
	pools := make([]lb.Pool, len(wanted.Backends))
	for i, p := range wanted.Backends {
		pools[i] = LayoutPool(now[p.Key], p)
	}
	wanted.Backends = pools
	return wanted
}

// LayoutPool is Layout for one pool.
func LayoutPool(now []lb.Slot, p lb.Pool) lb.Pool {
	p.Slots = nil
	if slotted(p) {
		p.Slots = assign(now, p.Members)
	}
	return p
}

func slotted(p lb.Pool) bool {
	if p.Type != "dynamic" {
		return false
	}
	for _, m := range p.Members {
		if !m.Address.Host.IsIP() {
			return false
		}
	}
	return true
}

func assign(now []lb.Slot, members []lb.Member) []lb.Slot {
	size := len(now)
	if size < len(members) || size == 0 {
		size = max(minSlots, 1<<bits.Len(uint(len(members))))
	}
	slots := make([]lb.Slot, size)
	at := make(map[lb.HostPort]int, len(now))
	for i, s := range now {
		if s.Member != nil {
			at[s.Member.Address] = i
		}
	}
	var arriving []*lb.Member
	for i := range members {
		m := &members[i]
		if place, ok := at[m.Address]; ok && slots[place].Member == nil {
			slots[place].Member = m
			continue
		}
		arriving = append(arriving, m)
	}
	free := 0
	for _, m := range arriving {
		for slots[free].Member != nil {
			free++
		}
		slots[free].Member = m
	}
	return slots
}
