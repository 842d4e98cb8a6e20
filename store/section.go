package store

import (
	"thalassa/internal/strictjson"
	"thalassa/lb"
)

// sectionDoc is a stored section.
type sectionDoc struct {
	ID       string   `json:"id"`
	Type     string   `json:"_type"`
	Kind     string   `json:"kind"`
	Name     string   `json:"name,omitempty"`
	Defaults string   `json:"defaults,omitempty"`
	Natives  []string `json:"natives"`
}

func sectionDocument(s lb.Section) sectionDoc {
	spec := s.Spec()
	return sectionDoc{
		ID: s.ID(), Type: "section", Kind: s.Kind, Name: string(s.Name), Defaults: spec.Defaults, Natives: spec.Natives,
	}
}

func decodeSection(data []byte) (lb.Section, error) {
	var doc sectionDoc
	if err := strictjson.DecodeLenient(data, &doc); err != nil {
		return lb.Section{}, err
	}
	return lb.SectionSpec{Defaults: doc.Defaults, Natives: doc.Natives}.Parse(doc.Kind, doc.Name)
}
