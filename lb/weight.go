package lb

import (
	"cmp"
	"slices"
)

// maxWeight is the largest weight that HAProxy accepts.
const maxWeight = 256

// scaleWeights brings Consul's weights (0 to 65535) into HAProxy's range: as
// they are while they fit, else in proportion with the greatest at 256. A
// member that Consul gives traffic keeps at least 1.
func scaleWeights(members []Member) {
	greatest := 0
	for _, m := range members {
		greatest = max(greatest, m.Weight)
	}
	if greatest <= maxWeight {
		return
	}
	for i := range members {
		if members[i].Weight > 0 {
			members[i].Weight = max(1, members[i].Weight*maxWeight/greatest)
		}
	}
}

// shareNothing divides the traffic equally where Consul gives every member the weight 0:
// that means none of the traffic while others have some.
func shareNothing(members []Member) {
	if slices.ContainsFunc(members, func(m Member) bool { return m.Weight > 0 }) {
		return
	}
	for i := range members {
		members[i].Weight = 1
	}
}

// A cohort is the members of one version that get traffic.
type cohort struct {
	share    int64     // of the traffic, among those of the other cohorts
	members  []*Member // with Consul's weights
	total    int64     // of those weights
	greatest int64     // of those weights
}

// shareWeights turns Consul's weights into HAProxy's so that each version gets
// its share of the traffic, however many members it has and whatever they weigh
// in Consul; the members of one version stay in Consul's proportion. The share
// of a version without members goes to the others.
//
// Every member gets a weight of at least 1 as long as each share is within one percent of all
// traffic of its target. Where a version has more members than its share has units of weight, the
// surplus gets 0: a version must not get more traffic because it has more instances.
func shareWeights(members []Member, split Split) {
	cohorts := findCohorts(members, split)
	if len(cohorts) == 0 {
		return
	}
	units, near := apportion(cohorts, true)
	if !near {
		units, _ = apportion(cohorts, false)
	}
	for i, c := range cohorts {
		c.divide(units[i])
	}
}

func findCohorts(members []Member, split Split) []cohort {
	var out []cohort
	for _, share := range split {
		c := cohort{share: int64(share.Weight)}
		for i := range members {
			if m := &members[i]; m.Version == share.Version && m.Weight > 0 {
				c.members = append(c.members, m)
				c.total += int64(m.Weight)
				c.greatest = max(c.greatest, int64(m.Weight))
			}
		}
		if len(c.members) > 0 {
			out = append(out, c)
		}
	}
	return out
}

// apportion finds how many units of weight each cohort gets: for each weight of
// the heaviest member, from 256 down to what half of it would do as well, it
// rounds, and keeps what comes nearest to the shares. all demands a unit for each
// member. near: no share is off by more than one percent of all traffic.
func apportion(cohorts []cohort, all bool) (units []int64, near bool) {
	lead := slices.MaxFunc(cohorts, func(a, b cohort) int {
		return cmp.Compare(a.share*a.greatest*b.total, b.share*b.greatest*a.total)
	})
	var off, sum int64 // of the best: the greatest error is off in sum*shares
	var shares int64
	for _, c := range cohorts {
		shares += c.share
	}
	for scale := int64(maxWeight); scale > maxWeight/2; scale-- {
		candidate := make([]int64, len(cohorts))
		var total, worst int64
		for i, c := range cohorts {
			candidate[i] = max(1, rounded(scale*c.share*lead.total, lead.share*lead.greatest))
			if all {
				candidate[i] = max(candidate[i], int64(len(c.members)))
			}
			total += candidate[i]
		}
		for i, c := range cohorts {
			worst = max(worst, distance(candidate[i]*shares, c.share*total))
		}
		if units == nil || worst*sum < off*total {
			units, off, sum = candidate, worst, total
		}
	}
	return units, off*100 <= sum*shares
}

func rounded(a, b int64) int64 { return (a + b/2) / b }

func distance(a, b int64) int64 { return max(a-b, b-a) }

// divide gives units of weight to the members in proportion to Consul's weights,
// by largest remainder, at least one each while there are enough.
func (c cohort) divide(units int64) {
	members, total := slices.Clone(c.members), c.total
	if units >= int64(len(members)) {
		members, units, total = raisePoor(members, units, total)
	}
	type rest struct {
		member    *Member
		remainder int64
	}
	rests := make([]rest, len(members))
	left := units
	for i, m := range members {
		quota := units * int64(m.Weight)
		rests[i] = rest{m, quota % total}
		m.Weight = int(quota / total)
		left -= quota / total
	}
	slices.SortStableFunc(rests, func(a, b rest) int { return cmp.Compare(b.remainder, a.remainder) })
	for _, r := range rests {
		if left > 0 && r.member.Weight < maxWeight {
			r.member.Weight++
			left--
		}
	}
}

// raisePoor gives one unit to each member whose part is less than that, and
// returns the other members with what is left for them.
func raisePoor(members []*Member, units, total int64) (others []*Member, unitsLeft, totalLeft int64) {
	for {
		poor, before := int64(0), len(members)
		members = slices.DeleteFunc(members, func(m *Member) bool {
			if units*int64(m.Weight) >= total {
				return false
			}
			poor += int64(m.Weight)
			m.Weight = 1
			return true
		})
		if len(members) == before {
			return members, units, total
		}
		units -= int64(before - len(members))
		total -= poor
	}
}
