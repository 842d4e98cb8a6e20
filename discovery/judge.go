package discovery

import (
	"slices"
	"time"

	"thalassa/lb"
)

// An answer is what Consul said about one service, parsed.
type answer struct {
	meta
	asked     uint64 // the index it was asked to pass; 0: to answer at once
	at        time.Time
	instances []lb.Instance
}

// A verdict says what to make of an answer.
type verdict struct {
	// refused says why the answer is no evidence; empty: it was taken.
	refused string
	// restart: Consul's index went backwards, so its state is another one, or
	// another server's. The answer was not taken; ask from the beginning.
	restart bool
	// verify: the answer lacks instances that were known and does not say
	// whether it is complete. It was not taken; ask without blocking, such an
	// answer says.
	verify bool
	// changed: the instances differ from those known before, or are the first.
	changed bool
}

// judge decides what an answer is worth. It returns what is known of the
// service from now on: the previous instances unless the answer was taken.
func judge(previous lb.Service, a answer) (lb.Service, verdict) {
	next := previous
	switch {
	case !a.leader:
		// A server that has just started may not have read its own log yet.
		next.Stale = errNoLeader.Error()
		return next, verdict{refused: next.Stale}
	case a.filtered:
		next.Stale = "consul filtered the answer: the token may not read all of it"
		return next, verdict{refused: next.Stale}
	case a.index < a.asked:
		return next, verdict{restart: true}
	case a.streamed && lacks(a.instances, previous.Instances):
		// So does the answer of an agent whose token may not read the service
		// any more: the stream begins anew, and empty.
		return next, verdict{verify: true}
	}
	next.Index, next.Seen, next.Stale = max(1, a.index), a.at, ""
	if !previous.Seen.IsZero() && sameInstances(previous.Instances, a.instances) {
		return next, verdict{}
	}
	next.Instances = a.instances
	return next, verdict{changed: true}
}

// lacks reports whether an instance that was known before is missing.
func lacks(now, before []lb.Instance) bool {
	type key struct{ node, id string }
	known := make(map[key]bool, len(now))
	for _, i := range now {
		known[key{i.Node, i.ID}] = true
	}
	return slices.ContainsFunc(before, func(i lb.Instance) bool { return !known[key{i.Node, i.ID}] })
}
