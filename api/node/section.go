package node

import "thalassa/lb"

// A Section is a raw section as the API gives it.
type Section struct {
	ID       string   `json:"id"`
	Type     string   `json:"_type"`
	Key      string   `json:"key"`
	Defaults string   `json:"defaults,omitempty"`
	Natives  []string `json:"natives"`
}

// NewSection makes the answer for a section.
func NewSection(s lb.Section) Section {
	spec := s.Spec()
	return Section{ID: s.ID(), Type: "section", Key: s.Key(), Defaults: spec.Defaults, Natives: spec.Natives}
}
