package console

import (
	"cmp"
	"slices"

	"github.com/labstack/echo/v4"

	"thalassa/cluster/cibxml"
)

// configuration answers with the objects of a type.
func (d *Dialect) configuration(c echo.Context) error {
	if err := d.ready(); err != nil {
		return err
	}
	configuration, _, err := d.source.Configuration()
	if err != nil {
		return err
	}
	kind, id, child := c.Param("type"), c.Param("id"), c.Param("child")
	if child != "" {
		return group(c, configuration, kind, id, child)
	}
	part := func(name string) *cibxml.Element {
		e := configuration.Child(name)
		if e == nil {
			e = cibxml.New(name)
		}
		e = e.Clone()
		cibxml.Mask(e, "", func(string) {})
		return e
	}
	switch kind {
	case "cluster_property":
		return answer(c, properties(part("crm_config")))
	case "rsc_defaults", "op_defaults":
		return answer(c, orNull(pairs(part(kind).Elements())))
	case "nodes":
		return pick(c, objects(part("nodes").Elements(), node), id)
	case "acls":
		return answer(c, orNull(plain(part("acls"))))
	case "alerts", "tags":
		return pick(c, objects(part(kind).Elements(), plain), id)
	case "fencing":
		return pick(c, objects(part("fencing-topology").Elements(), plain), id)
	case "constraints", "locations", "colocations", "orders":
		return constraints(c, part("constraints"), kind, id)
	}
	return resources(c, part("resources"), kind, id)
}

// group answers with a primitive of a group.
func group(c echo.Context, configuration *cibxml.Element, kind, id, child string) error {
	if section := configuration.Child("resources"); kind == "groups" && section != nil {
		for _, g := range section.Elements() {
			if g.Name == "group" && g.Attr("id") == id {
				g = g.Clone()
				cibxml.Mask(g, "", func(string) {})
				return pick(c, objects(named(g, "primitive"), primitive), child)
			}
		}
	}
	return notFound(c)
}

// objects makes a document of each element.
func objects(list []*cibxml.Element, document func(*cibxml.Element) object) []object {
	out := make([]object, 0, len(list))
	for _, e := range list {
		out = append(out, document(e))
	}
	return out
}

// named are the children of these names.
func named(e *cibxml.Element, names ...string) []*cibxml.Element {
	return slices.DeleteFunc(e.Elements(), func(c *cibxml.Element) bool { return !slices.Contains(names, c.Name) })
}

// orNull is nil for an object without fields.
func orNull(o object) any {
	if len(o) == 0 {
		return nil
	}
	return o
}

// pairs are the values of sets. Of two values of a name the first one counts, as for
// Pacemaker. Sets with a rule count only at times, and are none of them.
func pairs(sets []*cibxml.Element) object {
	out := object{}
	for _, set := range sets {
		if set.Child("rule") != nil {
			continue
		}
		for _, p := range named(set, "nvpair") {
			if _, ok := out[p.Attr("name")]; !ok && p.Attr("name") != "" {
				out[p.Attr("name")] = p.Attr("value")
			}
		}
	}
	return out
}

// properties are the cluster's options. Pacemaker reads cib-bootstrap-options first.
func properties(section *cibxml.Element) any {
	sets := section.Elements()
	slices.SortStableFunc(sets, func(a, b *cibxml.Element) int {
		first := func(e *cibxml.Element) int {
			if e.Attr("id") == "cib-bootstrap-options" {
				return 0
			}
			return 1
		}
		return cmp.Compare(first(a), first(b))
	})
	return orNull(pairs(sets))
}

// addPairs adds a field with the values of the sets of a name, if there are any.
func addPairs(o object, field string, e *cibxml.Element, set string) {
	if values := pairs(named(e, set)); len(values) > 0 {
		o[field] = values
	}
}

// add adds a field with an attribute, if there is one.
func add(o object, e *cibxml.Element, names ...string) {
	for _, name := range names {
		if e.Attr(name) != "" {
			o[name] = e.Attr(name)
		}
	}
}

func node(e *cibxml.Element) object {
	o := object{"id": e.Attr("id"), "uname": e.Attr("uname")}
	add(o, e, "type")
	addPairs(o, "instance_attributes", e, "instance_attributes")
	addPairs(o, "utilization", e, "utilization")
	return o
}

func primitive(e *cibxml.Element) object {
	o := object{"id": e.Attr("id"), "class": e.Attr("class"), "type": e.Attr("type")}
	add(o, e, "provider", "template", "description")
	addPairs(o, "meta", e, "meta_attributes")
	addPairs(o, "param", e, "instance_attributes")
	addPairs(o, "utilization", e, "utilization")
	var ops []object
	for _, operations := range named(e, "operations") {
		for _, op := range named(operations, "op") {
			ops = append(ops, operation(op))
		}
	}
	if len(ops) > 0 {
		o["op"] = ops
	}
	return o
}

// operation has the attributes of an operation, and the pairs of its sets as lists.
func operation(e *cibxml.Element) object {
	o := object{}
	for _, a := range e.Attributes() {
		o[a.Name] = a.Value
	}
	for _, name := range []string{"instance_attributes", "meta_attributes"} {
		for _, set := range named(e, name) {
			list, _ := o[name].([]object)
			o[name] = append(list, objects(named(set, "nvpair"), plain)...)
		}
	}
	return o
}

func groupOf(e *cibxml.Element) object {
	o := object{"id": e.Attr("id"), "primitives": objects(named(e, "primitive"), primitive)}
	addPairs(o, "meta", e, "meta_attributes")
	return o
}

func clone(e *cibxml.Element) object {
	o := object{"id": e.Attr("id")}
	addPairs(o, "meta", e, "meta_attributes")
	for _, c := range named(e, "primitive") {
		o["primitive"] = primitive(c)
	}
	for _, c := range named(e, "group") {
		o["group"] = groupOf(c)
	}
	return o
}

func bundle(e *cibxml.Element) object {
	o := object{"id": e.Attr("id"), "container": object{}}
	addPairs(o, "meta", e, "meta_attributes")
	for _, c := range named(e, "docker", "rkt", "podman") {
		container := plain(c)
		container["type"] = c.Name
		o["container"] = container
	}
	for _, n := range named(e, "network") {
		network := object{}
		for _, a := range n.Attributes() {
			network[a.Name] = a.Value
		}
		if ports := objects(named(n, "port-mapping"), plain); len(ports) > 0 {
			network["network"] = ports
		}
		o["network"] = network
	}
	for _, s := range named(e, "storage") {
		o["storage-mapping"] = objects(named(s, "storage-mapping"), plain)
	}
	for _, c := range named(e, "primitive") {
		o["primitive"] = primitive(c)
	}
	return o
}

// A resourceKind is a type of resources in a path.
type resourceKind struct {
	plural, element string
	document        func(*cibxml.Element) object
}

func resourceKinds() []resourceKind {
	return []resourceKind{
		{"primitives", "primitive", primitive},
		{"groups", "group", groupOf},
		{"clones", "clone", clone},
		{"masters", "master", clone},
		{"bundles", "bundle", bundle},
	}
}

// resources answers with the resources of a kind, or with the ids and kinds of all.
func resources(c echo.Context, section *cibxml.Element, kind, id string) error {
	list := []object{}
	for _, k := range resourceKinds() {
		elements := named(section, k.element)
		switch {
		case kind == k.plural:
			return pick(c, objects(elements, k.document), id)
		case kind == "resources" && id != "":
			list = append(list, objects(elements, k.document)...)
		case kind == "resources":
			list = append(list, objects(elements, typed(k.element))...)
		}
	}
	return index(c, list, kind == "resources", id)
}

// typed makes documents of the id and the kind.
func typed(kind string) func(*cibxml.Element) object {
	return func(e *cibxml.Element) object { return object{"id": e.Attr("id"), "type": kind} }
}

// index answers with the sorted list of what has several kinds, or with one of it.
func index(c echo.Context, list []object, known bool, id string) error {
	switch {
	case !known:
		return notFound(c)
	case id != "":
		return pick(c, list, id)
	}
	slices.SortFunc(list, func(a, b object) int { return cmp.Compare(a["id"].(string), b["id"].(string)) })
	return answer(c, list)
}

// constraints answers with the constraints of a kind, or with the ids and kinds of all.
func constraints(c echo.Context, section *cibxml.Element, kind, id string) error {
	list := []object{}
	for _, k := range []struct{ plural, kind string }{{"locations", "location"}, {"colocations", "colocation"}, {"orders", "order"}} {
		elements := named(section, "rsc_"+k.kind)
		switch {
		case kind == k.plural:
			return pick(c, objects(elements, plain), id)
		case id != "":
			list = append(list, objects(elements, plain)...)
		default:
			list = append(list, objects(elements, typed(k.kind))...)
		}
	}
	return index(c, list, true, id)
}
