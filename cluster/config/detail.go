package config

import (
	"regexp"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

// A Detail is what the configuration says about a resource, beside its object.
type Detail struct {
	ID   string
	Kind Kind
	// Containers are the groups, clones and bundles that it is in, the outermost first.
	Containers []string
	// Inside are the resources in it, and Primitives those of them that are primitives; for a
	// primitive, itself.
	Inside, Primitives []string
	// Promotable: it is a promotable clone, or in one.
	Promotable bool
	// Tags are the ids of the tags that it has.
	Tags []string
	// Constraints are those that name it, its containers, what is in it, or a tag of them.
	Constraints []Related
	// Meta are the meta attributes that hold for it: its own, else those of its template, its
	// containers, or the defaults of resources. Sets with a rule are not among them.
	Meta map[string]string
}

// Related is a constraint that concerns a resource.
type Related struct {
	Kind Kind `json:"kind"`
	// Through is the container, the resource inside or the tag that the constraint names in place of the
	// resource; empty: it names the resource itself.
	Through string         `json:"through,omitempty"`
	Object  map[string]any `json:"object"` // without secrets
}

// Describe returns what the configuration says about a resource; false: there is no such one.
func Describe(configuration *cibxml.Element, id string) (Detail, bool) {
	d := Detail{ID: id, Containers: []string{}, Primitives: []string{}, Tags: []string{}, Constraints: []Related{}, Meta: map[string]string{}}
	way := wayTo(configuration.Child("resources"), id)
	if way == nil {
		return d, false
	}
	e := way[len(way)-1]
	d.Kind = KindOf(e)
	for _, r := range append([]*cibxml.Element{e}, e.Descendants("")...) {
		if r != e && KindOf(r).IsResource() {
			d.Inside = append(d.Inside, r.Attr("id"))
		}
		if r.Name == "primitive" {
			d.Primitives = append(d.Primitives, r.Attr("id"))
		}
	}
	for _, c := range way[:len(way)-1] {
		d.Containers = append(d.Containers, c.Attr("id"))
	}
	d.addMeta(configuration, way)
	d.Promotable = slices.ContainsFunc(way, func(c *cibxml.Element) bool {
		return c.Name == "master" || c.Name == "clone" && cibxml.IsTrue(c.Pair("meta_attributes", "promotable"))
	})
	d.addConstraints(configuration)
	return d, true
}

// Names are the ids of the resource, its containers and what is in it.
func (d *Detail) Names() []string { return slices.Concat([]string{d.ID}, d.Containers, d.Inside) }

// wayTo are the elements from the outermost container of a resource to itself; nil: there is none.
func wayTo(e *cibxml.Element, id string) []*cibxml.Element {
	if e == nil {
		return nil
	}
	for _, c := range e.Elements() {
		if !KindOf(c).IsResource() {
			continue
		}
		if c.Attr("id") == id {
			return []*cibxml.Element{c}
		}
		if rest := wayTo(c, id); rest != nil {
			return append([]*cibxml.Element{c}, rest...)
		}
	}
	return nil
}

// KindOf is the kind of an element; empty: it is no object.
func KindOf(e *cibxml.Element) Kind {
	for _, k := range Kinds() {
		if slices.Contains(k.elements(), e.Name) {
			return k
		}
	}
	return ""
}

func (d *Detail) addMeta(configuration *cibxml.Element, way []*cibxml.Element) {
	add := func(set *cibxml.Element) {
		if set == nil || set.Name != "meta_attributes" || set.Child("rule") != nil {
			return
		}
		for _, p := range set.Elements() {
			if _, has := d.Meta[p.Attr("name")]; p.Name == "nvpair" && !has {
				d.Meta[p.Attr("name")] = p.Attr("value")
			}
		}
	}
	for _, e := range slices.Backward(way) {
		for _, set := range e.Elements() {
			add(set)
		}
		if template := configuration.ByID(e.Attr("template")); template != nil && e.Has("template") {
			for _, set := range template.Elements() {
				add(set)
			}
		}
	}
	if defaults := configuration.Child("rsc_defaults"); defaults != nil {
		for _, set := range defaults.Elements() {
			add(set)
		}
	}
	d.Meta = cibxml.ShownPairs("meta_attributes", d.Meta)
}

func (d *Detail) addConstraints(configuration *cibxml.Element) {
	names := d.Names()
	if tags := configuration.Child("tags"); tags != nil {
		for _, tag := range tags.Elements() {
			for _, ref := range tag.Descendants("obj_ref") {
				if !slices.Contains(names, ref.Attr("id")) {
					continue
				}
				if ref.Attr("id") == d.ID {
					d.Tags = append(d.Tags, tag.Attr("id"))
				}
				names = append(names, tag.Attr("id"))
				break
			}
		}
	}
	for _, k := range []Kind{Locations, Colocations, Orders, Tickets} {
		for _, e := range Elements(configuration, k) {
			through, concerned := d.namedIn(e, names)
			if !concerned {
				continue
			}
			o := Masked(k, e)
			d.Constraints = append(d.Constraints, Related{k, through, o.Document(k)})
		}
	}
}

// namedIn reports whether a constraint names one of names, or has a pattern of them, and which;
// empty for the resource itself.
func (d *Detail) namedIn(e *cibxml.Element, names []string) (through string, concerned bool) {
	refs := e.Descendants("resource_ref")
	named := append(make([]string, 0, 4+len(refs)), e.Attr("rsc"), e.Attr("with-rsc"), e.Attr("first"), e.Attr("then"))
	for _, ref := range refs {
		named = append(named, ref.Attr("id"))
	}
	// Pacemaker's patterns are POSIX extended regular expressions.
	pattern, err := regexp.CompilePOSIX(e.Attr("rsc-pattern"))
	for _, name := range names {
		if slices.Contains(named, name) || e.Has("rsc-pattern") && err == nil && pattern.MatchString(name) {
			if name == d.ID {
				return "", true
			}
			return name, true
		}
	}
	return "", false
}

// LocationsOf are the location constraints that name a node, or every node that a rule chooses.
func LocationsOf(configuration *cibxml.Element, node string) []Related {
	out := []Related{}
	for _, e := range Elements(configuration, Locations) {
		named := strings.EqualFold(e.Attr("node"), node)
		for _, x := range e.Descendants("expression") {
			named = named || x.Attr("attribute") == "#uname" && strings.EqualFold(x.Attr("value"), node)
		}
		if named {
			o := Masked(Locations, e)
			out = append(out, Related{Kind: Locations, Object: o.Document(Locations)})
		}
	}
	return out
}
