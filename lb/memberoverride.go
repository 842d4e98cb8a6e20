package lb

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The states that an operator can set for one member.
const (
	StateReady = "ready" // in use, as Consul and HAProxy's checks have it
	StateDrain = "drain" // no new requests; HAProxy's weight is 0
	StateMaint = "maint" // no requests and no checks
)

// MaxOverrides is the maximum number of members with an override, in all backends together.
const MaxOverrides = 1000

// An Override is the state or weight that an operator has set for one member of a backend. Until it
// ends, it takes precedence over Consul.
type Override struct {
	Backend Name
	Member  HostPort
	State   string    // StateReady, StateDrain or StateMaint
	Weight  Weighting // the zero value: the member's own weight
	Until   time.Time // when it ends; zero: when an operator ends it
	Reason  string    // by the operator; may be empty
	Origin  Origin
}

// IsNeutral reports whether the override changes nothing.
func (o Override) IsNeutral() bool { return o.State == StateReady && o.Weight == Weighting{} }

// String is the state and weight: "drain", "ready with weight 50%".
func (o Override) String() string {
	if o.Weight == (Weighting{}) {
		return o.State
	}
	return o.State + " with weight " + o.Weight.String()
}

// A Weighting replaces a member's own weight. The zero value does not.
type Weighting struct {
	IsSet   bool
	Value   int  // 0 to 256; in percent 0 to 100
	Percent bool // of the member's own weight
}

// String gives "20" or "50%".
func (w Weighting) String() string {
	text := strconv.Itoa(w.Value)
	if w.Percent {
		text += "%"
	}
	return text
}

// ParseWeighting reads what String writes.
func ParseWeighting(s string) (Weighting, error) {
	number, isPercent := strings.CutSuffix(s, "%")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n > maxWeight || isPercent && n > 100 {
		return Weighting{}, bad(strconv.Quote(s)+" is not a weight", `0 to 256, or "0%" to "100%" of the member's own weight`)
	}
	return Weighting{IsSet: true, Value: int(n), Percent: isPercent}, nil
}

// of is the weight of a member whose own weight is given.
func (w Weighting) of(own int) int {
	switch {
	case !w.IsSet:
		return own
	case w.Percent:
		return (own*w.Value + 50) / 100
	}
	return w.Value
}

// Overrides are those of all members, sorted by backend and member. They are immutable;
// nil is none.
type Overrides struct{ list []Override }

// NewOverrides makes Overrides of a list in any order; the last one of a member counts.
func NewOverrides(list []Override) *Overrides {
	o := &Overrides{}
	for _, one := range list {
		o = o.With(one)
	}
	return o
}

// All lists them.
func (o *Overrides) All() []Override {
	if o == nil {
		return nil
	}
	return o.list
}

// Of lists those of one backend.
func (o *Overrides) Of(backend Name) []Override {
	all := o.All()
	first, _ := slices.BinarySearchFunc(all, backend, func(x Override, b Name) int { return cmp.Compare(x.Backend, b) })
	end := first
	for end < len(all) && all[end].Backend == backend {
		end++
	}
	return all[first:end:end]
}

// Find is the override of a member.
func (o *Overrides) Find(backend Name, member HostPort) (Override, bool) {
	of := o.Of(backend)
	i := slices.IndexFunc(of, func(x Override) bool { return x.Member == member })
	if i < 0 {
		return Override{}, false
	}
	return of[i], true
}

// With has another override for its member. A neutral one ends the present one.
func (o *Overrides) With(x Override) *Overrides {
	list := slices.DeleteFunc(slices.Clone(o.All()), func(y Override) bool { return y.Backend == x.Backend && y.Member == x.Member })
	if !x.IsNeutral() {
		list = append(list, x)
	}
	slices.SortFunc(list, func(a, b Override) int {
		return cmp.Or(cmp.Compare(a.Backend, b.Backend), cmp.Compare(a.Member.Host, b.Member.Host), cmp.Compare(a.Member.Port, b.Member.Port))
	})
	return &Overrides{list}
}

// Living returns those that have not ended: their time is not over, their backend exists, and a
// static backend lists the member. It is o itself if none has ended.
func (o *Overrides) Living(now time.Time, in Intent) *Overrides {
	living := slices.DeleteFunc(slices.Clone(o.All()), func(x Override) bool {
		b, ok := in.Backends[x.Backend]
		isOver := !x.Until.IsZero() && !now.Before(x.Until)
		return isOver || !ok || b.Type == "static" && !b.lists(x.Member)
	})
	if len(living) == len(o.All()) {
		return o
	}
	return &Overrides{living}
}

// Restored adds those of a list that have not ended, for members without an override. added are the
// added ones.
func (o *Overrides) Restored(list []Override, now time.Time, in Intent) (next *Overrides, added []Override) {
	next = o.Living(now, in)
	for _, x := range NewOverrides(list).Living(now, in).All() {
		if _, isThere := next.Find(x.Backend, x.Member); !isThere {
			added = append(added, x)
		}
	}
	for _, x := range added {
		next = next.With(x)
	}
	return next, added
}

// NextEnd is when the first of them ends; zero: none ends by itself.
func (o *Overrides) NextEnd() time.Time {
	var next time.Time
	for _, x := range o.All() {
		if !x.Until.IsZero() && (next.IsZero() || x.Until.Before(next)) {
			next = x.Until
		}
	}
	return next
}

// SameFor reports whether a backend has the same overrides in both.
func (o *Overrides) SameFor(backend Name, other *Overrides) bool {
	return o == other || slices.Equal(o.Of(backend), other.Of(backend))
}

// Overridden is the backend with these overrides of its members, in place of any others.
func (p ResolvedBackend) Overridden(o *Overrides) ResolvedBackend {
	of := o.Of(p.Key)
	if len(of) == 0 && !slices.ContainsFunc(p.Members, func(m Member) bool { return m.hasOwn }) {
		return p
	}
	p.Members = slices.Clone(p.Members)
	divides := slices.ContainsFunc(of, func(x Override) bool { return x.Weight.Percent })
	for i := range p.Members {
		m := &p.Members[i]
		if m.hasOwn {
			m.Weight = m.own
		}
		m.own, m.hasOwn, m.Override, m.Maintenance = m.Weight, len(of) > 0, nil, false
	}
	if divides {
		raiseWeights(p.Members)
	}
	for i := range p.Members {
		m := &p.Members[i]
		if j := slices.IndexFunc(of, func(x Override) bool { return x.Member == m.Given() }); j >= 0 {
			m.override(&of[j], p.AgentCheck)
		}
	}
	return p
}

// override puts the member into the state that an operator asks for. With an agent that
// HAProxy asks, the weight keeps requests away as well: its word may end a maintenance.
func (m *Member) override(o *Override, hasAgent bool) {
	m.Override, m.Weight = o, o.Weight.of(m.Weight)
	m.Maintenance = o.State == StateMaint
	if o.State == StateDrain || m.Maintenance && hasAgent {
		m.Weight = 0
	}
}
