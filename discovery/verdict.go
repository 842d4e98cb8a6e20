package discovery

import (
	"fmt"
	"slices"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// An answer is what Consul said about one service, parsed.
type answer struct {
	consul.Meta
	asked     uint64 // the index it was asked to pass; 0: to answer at once
	at        time.Time
	instances []lb.Instance
	silent    map[identity]bool // those whose nodes alone fail
}

// present counts the instances whose nodes have not just fallen silent. They may
// be ill: that is their own checks' word.
func (a answer) present() int { return len(a.instances) - len(a.silent) }

// A policy says which losses to doubt, and for how long.
type policy struct {
	share float64       // more than this part of the instances, and
	least int           // at least so many
	time  time.Duration // what a doubt lasts that nothing settles
	look  time.Duration // until the second look
}

// evidence is what is known beside the answer.
type evidence struct {
	// base is the greatest number of instances there were lately.
	base int
	// readable: Consul has just listed something else, so the token is good.
	readable bool
	// restarted: Consul was away, or some index of it went backwards, not long
	// ago.
	restarted bool
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
	// changed: the instances, or what is held of them, differ from those known
	// before, or are the first.
	changed bool
}

// evaluate decides what an answer is worth. It returns what is known of the
// service from now on: the previous instances unless the answer was taken, and
// some of them beside those of the answer while it is not believed that they
// are gone.
func evaluate(previous lb.Service, a answer, p policy, e evidence) (lb.Service, verdict) {
	next := previous
	switch {
	case !a.Leader:
		// A server that has just started may not have read its own log yet.
		next.Stale = consul.ErrNoLeader.Error()
		return next, verdict{refused: next.Stale}
	case a.Filtered:
		next.Stale = "consul filtered the answer: the token may not read all of it"
		return next, verdict{refused: next.Stale}
	case a.Index < a.asked:
		return next, verdict{restart: true}
	case a.Streamed && lacks(a.instances, previous.Instances):
		// So does the answer of an agent whose token may not read the service
		// any more: the stream begins anew, and empty.
		return next, verdict{verify: true}
	}
	e.restarted = e.restarted || a.Index < previous.Index || previous.Stale == Unconfirmed
	next.Index, next.Seen, next.Stale = max(1, a.Index), a.at, ""
	var instances []lb.Instance
	instances, next.Hold, next.Released = hold(previous, a, p, e)
	if previous.Seen.IsZero() || !sameInstances(previous.Instances, instances) {
		next.Instances = instances
		return next, verdict{changed: true}
	}
	return next, verdict{changed: !sameHold(previous.Hold, next.Hold)}
}

// hold finds the instances that a service has from now on: those of the answer,
// and the lost ones while the loss is in doubt.
func hold(previous lb.Service, a answer, p policy, e evidence) (instances []lb.Instance, h *lb.Hold, released string) {
	lost := lostOf(previous, a)
	switch {
	case len(lost) == 0 && previous.Hold != nil:
		return a.instances, nil, "the instances are back"
	case len(lost) == 0, previous.Hold == nil && !p.isSudden(e.base, a.present()):
		return a.instances, nil, previous.Released
	}
	h = &lb.Hold{Since: a.at, Reason: fmt.Sprintf("%d of %d instances are gone at once", len(lost), max(e.base, len(lost)))}
	if old := previous.Hold; old != nil {
		h.Since, h.Reason = old.Since, old.Reason
		e.restarted = e.restarted || old.Doubt == lb.DoubtRestart
	}
	h.Lost = len(lost)
	h.Doubt = doubt(lost, a, e)
	if h.Doubt == "" || h.Doubt == lb.DoubtRestart {
		h.Until = h.Since.Add(p.time)
	}
	switch {
	case h.Doubt == "" && !a.at.Before(h.Since.Add(p.look)):
		return a.instances, nil, "a second look found the same"
	case !h.Until.IsZero() && !a.at.Before(h.Until) && isReadable(a, e):
		return a.instances, nil, "nothing else came for " + p.time.String()
	}
	return withHeld(a, lost), h, ""
}

// isSudden reports whether a loss is too great to be believed at once.
func (p policy) isSudden(before, now int) bool {
	gone := before - now
	return gone >= p.least && float64(gone) > p.share*float64(before)
}

// doubt says why a loss that Consul repeats would still prove nothing.
func doubt(lost []lb.Instance, a answer, e evidence) lb.Doubt {
	switch {
	case slices.ContainsFunc(lost, func(i lb.Instance) bool { return a.silent[identityOf(i)] }):
		return lb.DoubtSilent
	case e.restarted:
		return lb.DoubtRestart
	case !isReadable(a, e):
		return lb.DoubtBlind
	}
	return ""
}

// isReadable reports whether Consul shows the agent something at all.
func isReadable(a answer, e evidence) bool { return a.present() > 0 || e.readable }

// lostOf finds the healthy instances that an answer does not have any more, or
// whose nodes alone fail. One whose address belongs to another instance by now is
// not lost: it is known to be gone.
func lostOf(previous lb.Service, a answer) []lb.Instance {
	there := make(map[identity]bool, len(a.instances))
	taken := make(map[lb.HostPort]bool, len(a.instances))
	for _, i := range a.instances {
		if !a.silent[identityOf(i)] {
			there[identityOf(i)], taken[i.Address] = true, true
		}
	}
	var lost []lb.Instance
	for _, i := range previous.Instances {
		if i.Healthy && !there[identityOf(i)] && !taken[i.Address] {
			i.Held = true
			lost = append(lost, i)
		}
	}
	return lost
}

// withHeld joins an answer's instances with those held.
func withHeld(a answer, held []lb.Instance) []lb.Instance {
	known := make(map[identity]bool, len(held))
	for _, i := range held {
		known[identityOf(i)] = true
	}
	out := slices.Clone(held)
	for _, i := range a.instances {
		if !known[identityOf(i)] {
			out = append(out, i)
		}
	}
	sortInstances(out)
	return out
}

// lacks reports whether an instance that was known before is missing.
func lacks(now, before []lb.Instance) bool {
	known := make(map[identity]bool, len(now))
	for _, i := range now {
		known[identityOf(i)] = true
	}
	return slices.ContainsFunc(before, func(i lb.Instance) bool { return !known[identityOf(i)] })
}

// sameHold reports whether two holds tell people the same.
func sameHold(a, b *lb.Hold) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Since.Equal(b.Since) && a.Lost == b.Lost && a.Doubt == b.Doubt
}

// release ends the hold of those held instances that gone says are gone, and of
// the service when there is none left.
func release(s lb.Service, gone func(lb.Instance) bool, why string) lb.Service {
	left := 0
	s.Instances = slices.DeleteFunc(slices.Clone(s.Instances), func(i lb.Instance) bool {
		out := i.Held && gone(i)
		if i.Held && !out {
			left++
		}
		return out
	})
	if left == 0 {
		s.Hold, s.Released = nil, why
	} else if s.Hold != nil {
		h := *s.Hold
		h.Lost = left
		s.Hold = &h
	}
	return s
}
