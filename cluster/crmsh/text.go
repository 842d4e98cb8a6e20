package crmsh

import (
	"cmp"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

// Text writes the element <configuration> of a CIB. Objects are in the order of crmsh, by kind and then
// by id; but sets of properties and defaults are in their own, which counts. Comments are left out.
func Text(configuration *cibxml.Element) string {
	w := writer{referred: map[string]string{}}
	for _, e := range configuration.Descendants("") {
		if id := e.Attr("id-ref"); id != "" {
			w.referred[id] = e.Name
		}
	}
	for _, section := range configuration.Elements() {
		w.section(section)
	}
	slices.SortStableFunc(w.objects, func(a, b object) int { return cmp.Or(cmp.Compare(a.place, b.place), cmp.Compare(a.key, b.key)) })
	var b strings.Builder
	for _, o := range w.objects {
		b.WriteString(o.text + "\n")
	}
	return b.String()
}

// An object is one statement of the text.
type object struct {
	place int    // among the kinds
	key   string // among those of a kind
	text  string
}

// A writer collects the objects.
type writer struct {
	referred map[string]string // the names of the elements that others refer to, by id
	objects  []object
}

// section adds the objects of a section of the configuration.
func (w *writer) section(section *cibxml.Element) {
	switch section.Name {
	case "fencing-topology":
		if len(section.Elements()) > 0 {
			w.add(section, "fencing_topology", fencing)
		}
	case "rsc_defaults", "op_defaults":
		for _, set := range section.Elements() {
			w.addDefaults(section.Name, set)
		}
	default:
		for _, e := range section.Elements() {
			w.element(e)
		}
	}
}

// element adds an object, and the resources inside of it before.
func (w *writer) element(e *cibxml.Element) {
	switch e.Name {
	case "node":
		w.add(e, e.Attr("id"), w.node)
	case "primitive", "template":
		w.add(e, e.Attr("id"), w.primitive)
	case "group":
		w.container(e, w.group)
	case "clone", "master":
		w.container(e, w.clone)
	case "bundle":
		w.container(e, w.bundle)
	case "rsc_location":
		w.add(e, e.Attr("id"), w.location)
	case "rsc_colocation":
		w.add(e, e.Attr("id"), colocation)
	case "rsc_order":
		w.add(e, e.Attr("id"), order)
	case "rsc_ticket":
		w.add(e, e.Attr("id"), ticket)
	case "tag":
		w.add(e, e.Attr("id"), tag)
	case "cluster_property_set":
		w.add(e, "", func(e *cibxml.Element) []string { return w.properties("property", e) })
	case "acl_role":
		w.add(e, e.Attr("id"), role)
	case "acl_target", "acl_group":
		w.add(e, e.Attr("id"), target)
	case "alert":
		w.add(e, e.Attr("id"), w.alert)
	default:
		w.add(e, e.Attr("id"), func(*cibxml.Element) []string { return nil })
	}
}

// place is where crmsh shows the objects of an element.
func place(element string) int {
	kinds := []string{
		"node", "template", "primitive", "bundle", "group", "master", "clone", "tag",
		"rsc_location rsc_colocation rsc_order", "rsc_ticket fencing-topology",
		"cluster_property_set", "rsc_defaults", "op_defaults", "acl_role", "acl_target acl_group acl_user", "alert",
	}
	i := slices.IndexFunc(kinds, func(names string) bool { return slices.Contains(strings.Fields(names), element) })
	if i < 0 {
		return len(kinds)
	}
	return i
}

// add adds an object with the lines that write makes of it; nil: it is shown as XML.
func (w *writer) add(e *cibxml.Element, key string, write func(*cibxml.Element) []string) {
	lines := write(e)
	text := strings.Join(lines, " \\\n\t")
	if lines == nil {
		text = "xml " + xmlText(e)
	}
	w.objects = append(w.objects, object{place(e.Name), key, text})
}

// container adds a resource that has others inside, which are objects of their own, also where it is
// shown as XML with them in it: so crmsh reads it.
func (w *writer) container(e *cibxml.Element, write func(*cibxml.Element) []string) {
	for _, c := range e.Elements() {
		if slices.Contains([]string{"primitive", "group"}, c.Name) {
			w.element(c)
		}
	}
	w.add(e, e.Attr("id"), write)
}

// addDefaults adds a set of defaults, which is an object for crmsh.
func (w *writer) addDefaults(section string, set *cibxml.Element) {
	whole := cibxml.New(section).Add(set)
	w.add(whole, "", func(*cibxml.Element) []string {
		if set.Name != "meta_attributes" {
			return nil
		}
		return w.properties(section, set)
	})
}
