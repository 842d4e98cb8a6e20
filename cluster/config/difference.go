package config

import (
	"maps"
	"slices"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// A Question asks what the cluster would do: after edits of its configuration, or with
// another CIB, under a scenario.
type Question struct {
	Edits []Edit
	// CIB is one in the place of the cluster's, as XML; empty: the cluster's.
	CIB []byte
	cluster.Scenario
}

// Foreseen is the answer to a Question.
type Foreseen struct {
	// Changes of the configuration by the edits, one line each, and what Pacemaker says of
	// the configuration.
	Changes  []string `json:"changes"`
	Warnings []string `json:"warnings"`
	// Objects are those that the edits change.
	Objects []Difference `json:"objects"`
	// Predicted is what the scheduler has decided.
	Predicted cluster.Prediction `json:"simulation"`
}

// A Difference is what becomes of one object. Both are XML without secrets, with members by
// their ids; empty: there is none.
type Difference struct {
	Object string `json:"object"` // primitives/vip
	Before string `json:"before"`
	After  string `json:"after"`
	// Secret: only something that is masked differs.
	Secret bool `json:"secret,omitempty"`
}

// Differences are those of the objects of two configurations, in the order of Kinds and of
// ids.
func Differences(before, after *cibxml.Element) []Difference {
	out := []Difference{}
	was, is := Digests(before), Digests(after)
	for _, k := range Kinds() {
		old, now := byID(Elements(before, k)), byID(Elements(after, k))
		ids := maps.Clone(old)
		maps.Copy(ids, now)
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			name := k.one(id)
			if was[name] == is[name] {
				continue
			}
			d := Difference{Object: name, Before: maskedXML(k, old[id]), After: maskedXML(k, now[id])}
			d.Secret = d.Before == d.After
			out = append(out, d)
		}
	}
	return out
}

func byID(list []*cibxml.Element) map[string]*cibxml.Element {
	out := map[string]*cibxml.Element{}
	for _, e := range list {
		out[e.Attr("id")] = e
	}
	return out
}

// maskedXML is the XML of an object without secrets; empty: there is none.
func maskedXML(k Kind, e *cibxml.Element) string {
	if e == nil {
		return ""
	}
	c := shallow(k, e)
	cibxml.Mask(c, "", func(string) {})
	return string(c.Bytes())
}
