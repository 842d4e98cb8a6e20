package discovery

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"thalassa/consul"
	"thalassa/lb"
)

// An answer is Consul's answer for one service, parsed.
type answer struct {
	consul.Meta
	asked     uint64 // index of the request; 0: it did not block
	at        time.Time
	instances []lb.Instance
	faults    []lb.Fault
	page      string            // of the service in Consul's UI; empty: not known
	silent    map[identity]bool // those for which only the check of the node fails
}

// present counts the instances that are not silent. Their own checks may fail.
func (a answer) present() int { return len(a.instances) - len(a.silent) }

// A policy says which losses to doubt, and for how long.
type policy struct {
	share float64       // more than this share of the instances, and
	least int           // at least this number
	time  time.Duration // maximum duration of a doubt that can end by itself
	look  time.Duration // until the second look
}

// evidence is what is known besides the answer.
type evidence struct {
	// base is the maximum of the recent numbers of instances.
	base int
	// readable: Consul has just listed other instances, so the token is valid.
	readable bool
	// restarted: Consul was away recently, or an index went backwards.
	restarted bool
	// begun is when this run of the agent began. Nobody knows how long ago a hold of an
	// earlier run began: the clock may have jumped.
	begun time.Time
}

// A verdict says what to make of an answer.
type verdict struct {
	// refused says why the answer is unusable; empty: it is usable.
	refused string
	// restart: Consul's index went backwards, so this is another state, or that of
	// another server. Ignore the answer, and begin without an index.
	restart bool
	// verify: known instances are missing, and the answer does not show whether it
	// is complete. Ignore it, and send a request that does not block: its answer
	// shows that.
	verify bool
	// changed: the instances or the hold differ from before, or are the first.
	changed bool
	// explained: what people read about the service differs from before.
	explained bool
}

// evaluate decides whether to use an answer. It returns the new state of the
// service: the previous one if the answer is unusable, otherwise the instances of
// the answer and the held ones.
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
		// The agent also answers so when the token may no longer read the service:
		// its stream begins again, and is empty.
		return next, verdict{verify: true}
	}
	e.restarted = e.restarted || a.Index < previous.Index || previous.Stale == Unconfirmed
	next.Index, next.Seen, next.Stale = max(1, a.Index), a.at, ""
	next.Page = cmp.Or(a.page, previous.Page)
	explained := next.Page != previous.Page
	if !sameFaults(previous.Faults, a.faults) {
		next.Faults, explained = a.faults, true
	}
	var instances []lb.Instance
	instances, next.Hold, next.Released = hold(previous, a, p, e)
	if previous.Seen.IsZero() || !sameInstances(previous.Instances, instances) {
		next.Instances = instances
		return next, verdict{changed: true, explained: explained}
	}
	return next, verdict{changed: !sameHold(previous.Hold, next.Hold), explained: explained}
}

// hold returns the new instances of a service: those of the answer, and the lost
// ones while the loss is in doubt.
func hold(previous lb.Service, a answer, p policy, e evidence) (instances []lb.Instance, h *lb.Hold, released string) {
	lost := lostOf(previous, a)
	switch {
	case len(lost) == 0 && previous.Hold != nil:
		return a.instances, nil, "the instances are back"
	case len(lost) == 0, previous.Hold == nil && !p.isSudden(e.base, a.present()):
		return a.instances, nil, previous.Released
	}
	h = &lb.Hold{Since: a.at, Reason: fmt.Sprintf("%d of %d instances disappeared at once", len(lost), max(e.base, len(lost)))}
	if old := previous.Hold; old != nil {
		h.Since, h.Reason = old.Since, old.Reason
		e.restarted = e.restarted || old.Doubt == lb.DoubtRestart
	}
	h.Lost = len(lost)
	h.Doubt = doubt(lost, a, e)
	if h.Doubt == "" || h.Doubt == lb.DoubtRestart {
		begin := h.Since
		if begin.Before(e.begun) {
			begin = e.begun
		}
		h.Until = begin.Add(p.time)
	}
	switch {
	case h.Doubt == "" && !a.at.Before(h.Since.Add(p.look)):
		return a.instances, nil, "a second answer confirmed it"
	case !h.Until.IsZero() && !a.at.Before(h.Until) && isReadable(a, e):
		return a.instances, nil, "nothing changed for " + p.time.String()
	}
	return withHeld(a, lost), h, ""
}

// isSudden reports whether a loss is so large that it must be confirmed.
func (p policy) isSudden(before, now int) bool {
	gone := before - now
	return gone >= p.least && float64(gone) > p.share*float64(before)
}

// doubt returns why a repeated answer would not prove the loss.
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

// isReadable reports whether the token can read instances at all.
func isReadable(a answer, e evidence) bool { return a.present() > 0 || e.readable }

// lostOf returns the healthy instances that are missing in an answer, or silent in
// it. An instance whose address another one has now is not lost: it is certainly
// gone.
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

// lacks reports whether an earlier instance is missing.
func lacks(now, before []lb.Instance) bool {
	known := make(map[identity]bool, len(now))
	for _, i := range now {
		known[identityOf(i)] = true
	}
	return slices.ContainsFunc(before, func(i lb.Instance) bool { return !known[identityOf(i)] })
}

// sameHold reports whether two holds look the same to people.
func sameHold(a, b *lb.Hold) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Since.Equal(b.Since) && a.Lost == b.Lost && a.Doubt == b.Doubt
}

// release removes the held instances for which gone is true. It ends the hold of
// the service when none is left.
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
