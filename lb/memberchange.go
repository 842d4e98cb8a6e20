package lb

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

const (
	maxReason   = 200 // bytes
	maxOverride = 365 * 24 * time.Hour
)

// A MemberChangeSpec is a change of one member as written by a user, not yet checked.
type MemberChangeSpec struct {
	State  string // "ready", "drain" or "maint"; empty: as it is
	Weight string // "20" or "50%"; empty: its own
	For    string // a duration such as "30m"; empty: until somebody ends it
	Reason string
}

// A MemberChange sets the state or the weight of one member.
type MemberChange struct {
	Backend Name
	// Member is its address, "HOST:PORT", or its id.
	Member  string
	State   string // empty: as it is
	Weight  Weighting
	For     time.Duration // 0: until somebody ends it
	Reason  string
	IfMatch []string // entity tags of the backend, see Edit
	Origin  Origin
}

// Parse checks a change of a member. The error is an *InvalidError that names every bad
// field as the node API does.
func (s MemberChangeSpec) Parse(backend Name, member string) (MemberChange, error) {
	var fe FieldErrors
	out := MemberChange{Backend: backend, Member: member, State: s.State, Reason: strings.TrimSpace(s.Reason)}
	if !slices.Contains([]string{"", StateReady, StateDrain, StateMaint}, s.State) {
		fe.Add("state", strconv.Quote(s.State)+" is not a state of a member", "ready, drain or maint")
	}
	if s.State == "" && s.Weight == "" {
		fe.Add("state", "is missing", "ready, drain or maint, or a weight")
	}
	var err error
	if s.Weight != "" {
		out.Weight, err = ParseWeighting(s.Weight)
		fe.AddErr("weight", err)
	}
	if s.For != "" {
		out.For, err = time.ParseDuration(s.For)
		if err != nil || out.For < time.Second || out.For > maxOverride {
			fe.Add("for", strconv.Quote(s.For)+" is not a time", `a duration from 1s to 8760h, e.g. "30m"`)
		}
	}
	if len(out.Reason) > maxReason || strings.ContainsFunc(out.Reason, func(r rune) bool { return !unicode.IsPrint(r) }) {
		fe.Add("reason", "is longer than 200 bytes or not printable", "a sentence of at most 200 bytes")
	}
	return out, fe.Err()
}

// CheckMatch checks that an object has one of the entity tags; no tags: no condition. The
// error is a *PreconditionError.
func (in Intent) CheckMatch(id string, tags []string) error {
	return Edit{Delete: id, IfMatch: tags}.CheckConditions(in)
}

// FindMember finds the member that a change is about, among the present members of a
// backend and those that have an override. The error is a *NotFoundError.
func (p ResolvedBackend) FindMember(id string, o *Overrides) (Member, error) {
	is := func(m Member) bool {
		return id == m.Given().String() || id == m.Address.String() || id == m.ServerName() || id == m.ID()
	}
	if i := slices.IndexFunc(p.Members, is); i >= 0 {
		return p.Members[i], nil
	}
	for _, x := range o.Of(p.Key) {
		if m := (Member{Address: x.Member, Service: p.Service}); is(m) {
			return m, nil
		}
	}
	return Member{}, &NotFoundError{ID: p.ID() + "/members/" + id}
}

// Override is the one that the change makes of the present one of a member.
func (c MemberChange) Override(member HostPort, present Override) Override {
	out := Override{Backend: c.Backend, Member: member, State: c.State, Weight: c.Weight, Reason: c.Reason, Origin: c.Origin}
	if out.State == "" {
		out.State = StateReady
		if present.State != "" {
			out.State = present.State
		}
	}
	if c.For > 0 {
		out.Until = c.Origin.Time.Add(c.For)
	}
	return out
}
