package node

import "thalassa/lb"

// Definitions are all frontends, backends and raw sections as operators defined them, by
// key. Each has the fields of the request that puts it, without what the key says already.
type Definitions struct {
	Revision  uint64                       `json:"revision"`
	Frontends map[string]Frontend          `json:"frontends"`
	Backends  map[string]BackendDefinition `json:"backends"`
	// Sections are by "KIND/NAME", "global" and "defaults".
	Sections map[string]Section `json:"sections"`
}

// NewDefinitions makes the JSON document of an intent.
func NewDefinitions(in lb.Intent) Definitions {
	out := Definitions{
		Revision:  in.Revision,
		Frontends: make(map[string]Frontend, len(in.Frontends)), Backends: make(map[string]BackendDefinition, len(in.Backends)),
		Sections: make(map[string]Section, len(in.Sections)),
	}
	for key, f := range in.Frontends {
		doc := NewFrontend(f)
		doc.ID, doc.Type, doc.Key, doc.Name = "", "", "", ""
		out.Frontends[string(key)] = doc
	}
	for key, b := range in.Backends {
		doc := NewBackendDefinition(b)
		doc.ID, doc.JSONTyp, doc.Key = "", "", ""
		out.Backends[string(key)] = doc
	}
	for key, s := range in.Sections {
		doc := NewSection(s)
		doc.ID, doc.Type, doc.Key = "", "", ""
		out.Sections[key] = doc
	}
	return out
}
