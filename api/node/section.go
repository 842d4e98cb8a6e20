package node

import (
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// A Section is a raw section in answers of the API.
type Section struct {
	ID       string   `json:"id,omitempty"`    // "section/KIND/NAME", "section/global" or "section/defaults"
	Type     string   `json:"_type,omitempty"` // "section"
	Key      string   `json:"key,omitempty"`   // "KIND/NAME", "global" or "defaults"
	Defaults string   `json:"defaults,omitempty"`
	Natives  []string `json:"natives"`
}

// NewSection makes the JSON document of a section.
func NewSection(s lb.Section) Section {
	spec := s.Spec()
	return Section{ID: s.ID(), Type: "section", Key: s.Key(), Defaults: spec.Defaults, Natives: spec.Natives}
}

// ParseSection decodes and checks the body of the section of that kind and name; the name is
// empty for the raw lines of the template's own global and defaults sections. id, _type and
// key may be present, as in a section read before, and must then agree.
func ParseSection(kind, name string, body []byte) (lb.Section, error) {
	var in Section
	if err := strictjson.Decode(body, &in); err != nil {
		return lb.Section{}, err
	}
	var fe lb.FieldErrors
	out, err := lb.SectionSpec{Defaults: in.Defaults, Natives: in.Natives}.Parse(kind, name)
	fe.AddErr("", err)
	key := lb.Section{Kind: kind, Name: lb.Name(name)}
	if in.ID != "" && in.ID != key.ID() {
		fe.Add("id", "does not fit the address", key.ID())
	}
	if in.Type != "" && in.Type != "section" {
		fe.Add("_type", "is not the type of this object", "section")
	}
	if in.Key != "" && in.Key != key.Key() {
		fe.Add("key", "does not fit the address", key.Key())
	}
	if in.Natives == nil {
		fe.Add("natives", "is missing", "a list of lines, which may be empty")
	}
	if err := fe.Err(); err != nil {
		return out, err
	}
	return out, out.CheckNew()
}
