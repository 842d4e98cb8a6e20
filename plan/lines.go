package plan

import (
	"slices"
	"strconv"
	"strings"

	"thalassa/lb"
)

// HAProxy adds server lines while it runs ("add server"), but only to backends whose
// algorithm can have servers come and go (configuration manual, "balance": dynamic
// algorithms, and those that hash with "hash-type consistent"). Others need a reload.

// takesLines reports whether a backend can have server lines added at run time. Where a
// template sets the algorithm, HAProxy refuses and says why.
func takesLines(p lb.ResolvedBackend) bool {
	return takesWeights(p.Balance) || slices.ContainsFunc(p.Natives, func(l lb.RawLine) bool {
		words := strings.Fields(string(l))
		return len(words) > 1 && words[0] == "hash-type" && words[1] == "consistent" && p.Balance != "static-rr"
	})
}

// addsLines reports whether the running HAProxy can get from the slots of a to those of b.
func addsLines(a, b lb.ResolvedBackend) bool {
	return a.Slots != nil && len(b.Slots) >= len(a.Slots) && takesLines(b)
}

// compareSlots says how the number of slots differs, and why that takes a reload where it
// does; nothing when it does not differ.
func compareSlots(a, b lb.ResolvedBackend) []Reason {
	r := reasons{object: b.ID()}
	slots := changed(slotsText(a), slotsText(b))
	if len(slots) > 0 && a.Slots != nil && len(b.Slots) > len(a.Slots) && !takesLines(b) {
		slots = append(slots, "balance "+b.Balance+" takes no lines at run time")
	}
	r.add("slots", slots)
	return r.list
}

func slotsText(p lb.ResolvedBackend) string {
	if p.Slots == nil {
		return ""
	}
	return strconv.Itoa(len(p.Slots))
}

// addition returns the operation that adds a server line that HAProxy does not have.
func addition(p lb.ResolvedBackend, want lb.Server) lb.ServerOp {
	op := lb.ServerOp{Backend: p.Key, Server: want.Name, Add: true}
	if want.Weight != 1 { // which the new line has
		op.Weight = &want.Weight
	}
	if !want.Spare {
		op.Address, op.Ready = &want.Address, true
	}
	return op
}

// describeAddition says what an addition corrects.
func describeAddition(want lb.Server) []string {
	if want.Spare {
		return []string{"+" + want.Name}
	}
	return []string{"+" + want.Address.String()}
}

// takes reports whether the running HAProxy can add a slot that it does not have. Slots are in
// their order, so it must follow those that are there; the first is the model for the others.
func (x *serverIndex) takes(p lb.ResolvedBackend, want lb.Server) bool {
	if x.last == 0 {
		for _, s := range x.servers {
			x.last = max(x.last, 1+lb.SlotIndex(s.Server))
		}
	}
	return x.last > 0 && lb.SlotIndex(want.Name) >= x.last && takesLines(p)
}

// isSlot reports whether a server is a slot of its backend.
func isSlot(c lb.Config, s lb.ServerState) bool {
	i := lb.SlotIndex(s.Server)
	part := c.Part([]lb.Name{s.Backend})
	return i >= 0 && len(part.Backends) == 1 && i < len(part.Backends[0].Slots)
}
