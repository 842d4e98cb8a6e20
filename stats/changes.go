package stats

import "thalassa/statsock"

// A part is a field of an object that changes by itself.
type part uint32

const (
	partStatus part = 1 << iota
	partConnections
	partMaxConnections
	partLimit
	partQueue
	partMaxQueue
	partQueueMS
	partConnectMS
	partResponseMS
	partTotalMS
	partWeight
	partMembers
	partHealthy
	partDowntime
	partCheckStatus
	partCheckCode
	partCheckMS
	partCheckText
	partSince
	partRate  // whether rates are known
	partWhole // everything, of an object that is new to the readers

	partsOfQueue = partQueue | partMaxQueue | partQueueMS | partConnectMS | partResponseMS | partTotalMS | partWeight | partDowntime
	partsOfCheck = partCheckStatus | partCheckCode | partCheckMS | partCheckText | partSince
)

// A counterSet has a bit for each Counter in it.
type counterSet uint32

// toldCounters are those that readers are told.
const toldCounters = counterSet(1<<(Redispatches+1)-1) &^ (1 << ResponsesOther)

func (c counterSet) has(counter Counter) bool { return c&(1<<counter) != 0 }

// differing are the counters that are not the same.
func differing[N int64 | float32](a, b *[counterCount]N) counterSet {
	var set counterSet
	for i := range a {
		if a[i] != b[i] {
			set |= 1 << i
		}
	}
	return set & toldCounters
}

// changes are what is new in an object.
type changes struct {
	parts         part
	rates, totals counterSet
}

func (c *changes) note(p part, changed bool) {
	if changed {
		c.parts |= p
	}
}

// of is what of the changes the topic stat tells of an object of a kind;
// false: nothing.
func (c changes) of(kind Kind) (changes, bool) {
	if c.parts&partWhole != 0 {
		return changes{parts: partsOf(kind) | partWhole, rates: toldCounters, totals: toldCounters}, true
	}
	c.parts &= partsOf(kind)
	if c.parts&partRate != 0 {
		c.rates = toldCounters
	}
	return c, c.parts != 0 || c.rates != 0
}

// partsOf are the parts that an object of a kind has.
func partsOf(kind Kind) part {
	parts := partStatus | partConnections | partMaxConnections | partLimit | partRate
	switch kind {
	case statsock.KindBackend:
		parts |= partsOfQueue | partMembers | partHealthy
	case statsock.KindServer:
		parts |= partsOfQueue | partsOfCheck
	default:
	}
	return parts
}
