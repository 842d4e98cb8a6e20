package config

import (
	"slices"

	"thalassa/cluster/cibxml"
)

// Elements lists the elements of a kind in the configuration, in the order of the CIB. Those
// of resources may be inside of others.
func Elements(configuration *cibxml.Element, k Kind) []*cibxml.Element {
	section, names := configuration.Child(k.section()), k.elements()
	if section == nil {
		return nil
	}
	var out []*cibxml.Element
	var walk func(e *cibxml.Element)
	walk = func(e *cibxml.Element) {
		for _, c := range e.Elements() {
			if slices.Contains(names, c.Name) {
				out = append(out, c)
			}
			if k.IsResource() {
				walk(c)
			}
		}
	}
	walk(section)
	return out
}

// Find returns the element of an object; nil: there is none. It finds nodes also by name.
func Find(configuration *cibxml.Element, k Kind, id string) *cibxml.Element {
	list := Elements(configuration, k)
	for _, attribute := range []string{"id", "uname"} {
		i := slices.IndexFunc(list, func(e *cibxml.Element) bool { return e.Attr(attribute) == id })
		if i >= 0 && (attribute == "id" || k == Nodes) {
			return list[i]
		}
	}
	return nil
}

// List reads the objects of a kind from a configuration.
func List(configuration *cibxml.Element, k Kind) []Object {
	list := Elements(configuration, k)
	out := make([]Object, 0, len(list))
	for _, e := range list {
		out = append(out, Read(k, e))
	}
	return out
}

// Same reports whether two elements of an object are equivalent. Of members, only the ids are
// compared.
func Same(k Kind, a, b *cibxml.Element) bool { return same(shallow(k, a), shallow(k, b)) }
