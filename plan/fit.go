package plan

import (
	"slices"

	"thalassa/lb"
)

// Fit is LayoutBackend for a backend that can only use the slots it has now: members that would
// need another slot are left out, and no slots are reserved for a switch of versions.
func Fit(now []lb.Slot, p lb.ResolvedBackend) lb.ResolvedBackend {
	p.Arrivals = 0
	inSlot := map[lb.HostPort]bool{}
	room := 0
	for _, s := range now {
		if s.Member == nil {
			room++
		} else {
			inSlot[s.Member.Address] = true
		}
	}
	p.Members = slices.DeleteFunc(slices.Clone(p.Members), func(m lb.Member) bool {
		if !inSlot[m.Address] {
			room--
		}
		return !inSlot[m.Address] && room < 0
	})
	return LayoutBackend(now, p)
}
