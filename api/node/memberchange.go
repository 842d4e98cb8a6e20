package node

import (
	"encoding/json"
	"strings"
	"time"

	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// An Override is the state or weight that an operator has set for one member.
type Override struct {
	State string `json:"state"` // "ready", "drain" or "maint"
	// Weight is a number, or a text such as "50%" of the member's own weight.
	Weight json.RawMessage `json:"weight,omitempty"`
	Until  time.Time       `json:"until,omitzero"` // absent: until an operator ends it
	By     string          `json:"by,omitempty"`   // who asked for it
	Reason string          `json:"reason,omitempty"`
	Since  time.Time       `json:"since"`
}

// newOverride makes the JSON document of an override; nil for nil.
func newOverride(o *lb.Override) *Override {
	if o == nil {
		return nil
	}
	out := &Override{State: o.State, Until: o.Until, By: o.Origin.Author, Reason: o.Reason, Since: o.Origin.Time}
	if o.Weight.IsSet {
		out.Weight = json.RawMessage(o.Weight.String())
		if o.Weight.Percent {
			out.Weight = json.RawMessage(`"` + o.Weight.String() + `"`)
		}
	}
	return out
}

// String is the state and weight: "drain", "ready with weight 50%".
func (o Override) String() string {
	if len(o.Weight) == 0 {
		return o.State
	}
	return o.State + " with weight " + strings.Trim(string(o.Weight), `"`)
}

// A DormantOverride is an override of a member that the backend does not have now.
type DormantOverride struct {
	Override

	Host string `json:"host"`
	Port int    `json:"port"`
}

// NewDormantOverrides lists the overrides of a backend whose members it does not have.
func NewDormantOverrides(p lb.ResolvedBackend, o *lb.Overrides) []DormantOverride {
	var out []DormantOverride
	for _, x := range o.Of(p.Key) {
		present := false
		for _, m := range p.Members {
			present = present || m.Given() == x.Member
		}
		if !present {
			out = append(out, DormantOverride{*newOverride(&x), string(x.Member.Host), int(x.Member.Port)})
		}
	}
	return out
}

// memberChangeBody is a change of a member in a request.
type memberChangeBody struct {
	State  string          `json:"state,omitempty"`
	Weight json.RawMessage `json:"weight,omitempty"`
	For    string          `json:"for,omitempty"`
	Reason string          `json:"reason,omitempty"`
}

// ParseMemberChange decodes and checks the body of a change of a member.
func ParseMemberChange(backend lb.Name, member string, body []byte) (lb.MemberChange, error) {
	var in memberChangeBody
	if err := strictjson.Decode(body, &in); err != nil {
		return lb.MemberChange{}, err
	}
	spec := lb.MemberChangeSpec{State: in.State, For: in.For, Reason: in.Reason}
	if !strictjson.IsAbsent(in.Weight) {
		spec.Weight = string(in.Weight)
		if text := ""; json.Unmarshal(in.Weight, &text) == nil {
			spec.Weight = text
			if !strings.HasSuffix(text, "%") {
				spec.Weight = string(in.Weight) // a number is no text
			}
		}
	}
	return spec.Parse(backend, member)
}
