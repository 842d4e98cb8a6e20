package cibxml

import (
	"slices"
	"strings"
)

// Masked replaces a value that may be a secret.
const Masked = "********"

// Mask masks the secrets in an element and calls note with each; set is the set of name-value pairs
// that the element belongs to.
func Mask(e *Element, set string, note func(value string)) {
	if slices.Contains(PairSets(), e.Name) && set != "transient_attributes" {
		set = e.Name
	}
	if text := strings.TrimSpace(e.text); text != "" {
		note(text)
		e.text = Masked
	}
	for i, a := range e.Attrs {
		if a.Value != "" && !IsHarmless(e, set, a.Name.Local, a.Value) {
			if !strings.HasSuffix(a.Name.Local, "digest") {
				note(a.Value)
			}
			e.Attrs[i].Value = Masked
		}
	}
	e.Children = e.Elements() // comments are free text
	for _, child := range e.Children {
		Mask(child, set, note)
	}
}
