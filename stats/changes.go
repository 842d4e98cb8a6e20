package stats

import "thalassa/statsock"

// A part is a field of an object, as a bit of a set.
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
	partWhole // all fields, of an object that is new to readers

	partsOfQueue = partQueue | partMaxQueue | partQueueMS | partConnectMS | partResponseMS | partTotalMS | partWeight | partDowntime
	partsOfCheck = partCheckStatus | partCheckCode | partCheckMS | partCheckText | partSince
)

// A counterSet has a bit for each Counter in it.
type counterSet uint32

// publishedCounters are the counters that readers get.
const publishedCounters = counterSet(1<<(Redispatches+1)-1) &^ (1 << ResponsesOther)

func (c counterSet) has(counter Counter) bool { return c&(1<<counter) != 0 }

// differing are the published counters that differ.
func differing[N int64 | float32](a, b *[counterCount]N) counterSet {
	var set counterSet
	for i := range a {
		if a[i] != b[i] {
			set |= 1 << i
		}
	}
	return set & publishedCounters
}

// changes are the fields of an object that changed.
type changes struct {
	parts         part
	rates, totals counterSet
}

func (c *changes) note(p part, changed bool) {
	if changed {
		c.parts |= p
	}
}

// forKind is the part of the changes that the topic stat has for an object of a kind;
// false: none.
func (c changes) forKind(kind Kind) (changes, bool) {
	if c.parts&partWhole != 0 {
		return changes{parts: partsOf(kind) | partWhole, rates: publishedCounters, totals: publishedCounters}, true
	}
	c.parts &= partsOf(kind)
	if c.parts&partRate != 0 {
		c.rates = publishedCounters
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
