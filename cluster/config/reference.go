package config

import (
	"fmt"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// A reference is a place in the configuration that has the id of something.
type reference struct {
	id        string
	element   *cibxml.Element // that has it
	attribute string
	owner     *cibxml.Element // the object that the element belongs to
}

// set writes another id. In a list of devices, the others stay.
func (r reference) set(id string) {
	if r.attribute != "devices" {
		r.element.Set(r.attribute, id)
		return
	}
	devices := strings.Split(r.element.Attr("devices"), ",")
	for i, d := range devices {
		if strings.TrimSpace(d) == r.id {
			devices[i] = id
		}
	}
	r.element.Set("devices", strings.Join(slices.DeleteFunc(devices, func(d string) bool { return d == "" }), ","))
}

// isReference reports whether the id of an element is that of another.
func isReference(e *cibxml.Element) bool {
	return slices.Contains([]string{"resource_ref", "obj_ref", "role"}, e.Name)
}

// referenceAttributes are the attributes of an element that have ids.
func referenceAttributes(e *cibxml.Element) []string {
	names := []string{"id-ref"}
	switch {
	case isReference(e):
		names = append(names, "id")
	case strings.HasPrefix(e.Name, "rsc_") && !strings.HasSuffix(e.Name, "_expression"):
		names = append(names, "rsc", "with-rsc", "first", "then")
	case e.Name == "primitive":
		names = append(names, "template")
	case e.Name == "acl_permission":
		names = append(names, "reference")
	}
	return names
}

// references lists the references in the configuration.
func references(configuration *cibxml.Element) []reference {
	var out []reference
	objects := objectElements()
	var walk func(e, owner *cibxml.Element)
	walk = func(e, owner *cibxml.Element) {
		for _, name := range referenceAttributes(e) {
			if id := e.Attr(name); id != "" {
				out = append(out, reference{id, e, name, owner})
			}
		}
		if e.Name == "fencing-level" {
			for d := range strings.SplitSeq(e.Attr("devices"), ",") {
				if id := strings.TrimSpace(d); id != "" {
					out = append(out, reference{id, e, "devices", owner})
				}
			}
		}
		for _, c := range e.Elements() {
			next := owner
			if objects[c.Name] {
				next = c
			}
			walk(c, next)
		}
	}
	for _, section := range configuration.Elements() {
		walk(section, section)
	}
	return out
}

// objectElements are the names of the elements of all kinds.
func objectElements() map[string]bool {
	out := map[string]bool{}
	for _, k := range Kinds() {
		for _, name := range k.elements() {
			out[name] = true
		}
	}
	return out
}

// A lack is a reference to something that does not exist.
type lack struct{ id, by, what, attribute string }

// problem is the error for it: of the object that is gone, or of the one that refers.
func (l lack) problem(edits []Edit) error {
	for _, e := range edits {
		if e.Op == Delete && e.ID == l.id {
			return &lb.ConflictError{ID: e.name(), Reason: l.what + " " + l.by + " refers to it", By: []string{l.by}}
		}
	}
	return invalid(l.attribute, fmt.Sprintf("is %q, which does not exist", l.id), "the id of something in the configuration")
}

// lacks lists the references whose target does not exist.
func lacks(configuration *cibxml.Element) []lack {
	known := map[string]bool{}
	for _, e := range configuration.Descendants("") {
		if !isReference(e) {
			known[e.Attr("id")] = true
		}
	}
	var out []lack
	for _, r := range references(configuration) {
		if !known[r.id] {
			out = append(out, lack{r.id, r.owner.Attr("id"), r.owner.Name, r.attribute})
		}
	}
	return out
}

// removeReferences removes what refers to an id: constraints, and the entries of sets, tags, roles
// and fencing levels. It also removes what has no entries left.
func removeReferences(configuration *cibxml.Element, id string) {
	for _, r := range references(configuration) {
		if r.id != id {
			continue
		}
		gone := r.element
		switch r.attribute {
		case "devices":
			r.set("")
			if r.element.Attr("devices") != "" {
				continue
			}
		case "template", "id-ref":
			continue // an object that is made of it: its owner must decide
		}
		for gone != nil {
			parent := parentOf(configuration, gone)
			if parent == nil {
				break
			}
			parent.Children = slices.DeleteFunc(parent.Children, func(e *cibxml.Element) bool { return e == gone })
			gone = nil
			if len(parent.Elements()) == 0 && (objectElements()[parent.Name] || parent.Name == "resource_set") {
				gone = parent
			}
		}
	}
}
