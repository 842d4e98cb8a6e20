package plan

import (
	"slices"

	"thalassa/lb"
)

// Fit is LayoutBackend for a backend that can only use the slots it has now: members that would
// need another slot are left out, and no slots are reserved for a switch of versions.
func Fit(now []lb.Slot, p lb.ResolvedBackend) lb.ResolvedBackend {
	p.Arrivals = 0
	inSlot := map[spot]bool{}
	room := map[lb.OwnTLS]int{}
	for _, s := range now {
		if s.Member == nil {
			room[s.TLS]++
		} else {
			inSlot[spot{s.Member.Address, s.TLS}] = true
		}
	}
	p.Members = slices.DeleteFunc(slices.Clone(p.Members), func(m lb.Member) bool {
		if inSlot[spot{m.Address, m.TLS}] {
			return false
		}
		room[m.TLS]--
		return room[m.TLS] < 0
	})
	return layoutBackend(now, p, growth{spare: maxSpare, keepsLeft: true})
}
