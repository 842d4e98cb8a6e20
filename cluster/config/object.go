package config

import (
	"slices"

	"thalassa/cluster/cibxml"
)

// An Object is an object of the configuration, or a part of one such as an operation. In
// JSON, all fields are on one level:
//
//	{"id": "vip", "agent": "ocf:heartbeat:IPaddr2", "params": {"ip": "192.0.2.9"},
//	 "ops": [{"id": "vip-monitor-10s", "name": "monitor", "interval": "10s"}]}
type Object struct {
	// Element is the name of the XML element if it is not the usual one.
	Element string
	ID      string
	// Attributes are the other attributes of the element, and agent, which is its class,
	// provider and type.
	Attributes map[string]string
	// Values are name-value pairs by field: params, meta, utilization, attributes, values.
	Values map[string]map[string]string
	// Lists are the parts by field: ops, rules, sets, recipients, …
	Lists map[string][]Object
	// Refs are ids by field: members, resources, objects, roles.
	Refs map[string][]string
	// Extra is the XML of children that no field describes. In an edit, nil keeps the existing
	// ones.
	Extra []string
	// IDs are the ids of sets and of their pairs, by "params" and "params/NAME", if they are not
	// the usual ones, which are derived from the id of their parent.
	IDs map[string]string
	// Order has the ids of the sets of pairs if they are not in the usual order, in which the plain
	// set is the first. Of two values of a name, Pacemaker uses the first.
	Order []string
}

// element is the name of the object's element.
func (o *Object) element(s *shape) string {
	if o.Element != "" {
		return o.Element
	}
	return s.elements[0]
}

// usualID is the id of a set, or of a pair in one, that nobody has chosen.
func usualID(of, name string) string { return of + "-" + name }

// Read reads the element of an object. Read and Write lose nothing but comments and the
// order of the pairs in a set.
func Read(k Kind, e *cibxml.Element) Object { return read(shapeOf(k), e) }

func read(s *shape, e *cibxml.Element) Object {
	o := readFields(s, e)
	if !sameOrder(e, writeFields(s, o, e.Name, newMembers(e))) {
		o.Order = order(e)
	}
	if !same(writeFields(s, o, e.Name, newMembers(e)), e) { // what no field can express
		o = readFields(&shape{elements: s.elements, attributes: s.attributes}, e)
	}
	return o
}

func readFields(s *shape, e *cibxml.Element) Object {
	o := Object{ID: e.Attr("id")}
	if e.Name != s.elements[0] {
		o.Element = e.Name
	}
	for _, a := range e.Attributes() {
		if a.Name != "id" {
			o.setAttribute(a.Name, a.Value)
		}
	}
	if s.hasAgent {
		o.joinAgent()
	}
	r := reader{shape: s, object: &o, element: e}
	for _, c := range e.Elements() {
		if !r.readChild(c) {
			o.Extra = append(o.Extra, string(c.Bytes()))
		}
	}
	return o
}

func (o *Object) setAttribute(name, value string) {
	if o.Attributes == nil {
		o.Attributes = map[string]string{}
	}
	o.Attributes[name] = value
}

// joinAgent makes class, provider and type one field, if that can be undone.
func (o *Object) joinAgent() {
	agent := o.Attributes["class"] + ":" + o.Attributes["type"]
	if provider, ok := o.Attributes["provider"]; ok {
		agent = o.Attributes["class"] + ":" + provider + ":" + o.Attributes["type"]
	}
	class, provider, kind, ok := splitAgent(agent)
	if !ok || class != o.Attributes["class"] || provider != o.Attributes["provider"] || kind != o.Attributes["type"] {
		return
	}
	for _, name := range []string{"class", "provider", "type"} {
		delete(o.Attributes, name)
	}
	o.setAttribute("agent", agent)
}

// splitAgent splits ocf:heartbeat:IPaddr2 and systemd:NAME. Only OCF has providers.
func splitAgent(agent string) (class, provider, kind string, ok bool) {
	class, kind, ok = cut(agent)
	if ok && class == "ocf" {
		provider, kind, ok = cut(kind)
	}
	return class, provider, kind, ok
}

// A reader reads the children of an element.
type reader struct {
	shape   *shape
	object  *Object
	element *cibxml.Element
}

// readChild reports whether a field describes a child.
func (r reader) readChild(c *cibxml.Element) bool {
	for _, f := range r.shape.values {
		if f.element == "" && c.Name == "nvpair" {
			return r.object.addPair(f.name, r.object.ID, c)
		}
		if f.element == c.Name {
			r.readSet(f, c)
			return true
		}
	}
	for _, f := range r.shape.lists {
		switch {
		case f.inside == c.Name:
			return r.readInside(f, c)
		case f.inside == "" && slices.Contains(f.shape.elements, c.Name):
			return r.object.addTo(f, read(f.shape, c))
		}
	}
	for _, f := range r.shape.refs {
		if slices.Contains(f.elements, c.Name) && (f.members || len(c.Attributes()) == 1 && len(c.Children) == 0) && c.Attr("id") != "" {
			if r.object.Refs == nil {
				r.object.Refs = map[string][]string{}
			}
			r.object.Refs[f.name] = append(r.object.Refs[f.name], c.Attr("id"))
			return true
		}
	}
	return false
}

// readSet reads a set of pairs: into the field of the plain ones if it is the first, and
// can be expressed there.
func (r reader) readSet(f valuesField, c *cibxml.Element) {
	if _, taken := r.object.Values[f.name]; !taken && len(c.Attributes()) == 1 && c.Attr("id") != "" {
		plain := Object{Values: map[string]map[string]string{f.name: {}}}
		if !slices.ContainsFunc(c.Elements(), func(p *cibxml.Element) bool { return !plain.addPair(f.name, c.Attr("id"), p) }) {
			if r.object.Values == nil {
				r.object.Values = map[string]map[string]string{}
			}
			r.object.Values[f.name] = plain.Values[f.name]
			for key, id := range plain.IDs {
				r.object.setID(key, id)
			}
			if c.Attr("id") != usualID(r.object.ID, c.Name) {
				r.object.setID(f.name, c.Attr("id"))
			}
			return
		}
	}
	s := setShape(f.element)
	r.object.addTo(listField{name: f.sets()}, read(s, c))
}

// addPair adds a pair to a field; false: it is no plain pair, or there is one already.
func (o *Object) addPair(field, set string, p *cibxml.Element) bool {
	name, value, complete := p.Attr("name"), p.Attr("value"), len(p.Attributes()) == 3
	if _, twice := o.Values[field][name]; twice || !complete || p.Name != "nvpair" || name == "" || p.Attr("id") == "" || len(p.Children) > 0 || !p.Has("value") {
		return false
	}
	if o.Values == nil {
		o.Values = map[string]map[string]string{}
	}
	if o.Values[field] == nil {
		o.Values[field] = map[string]string{}
	}
	o.Values[field][name] = value
	if p.Attr("id") != usualID(set, name) {
		o.setID(field+"/"+name, p.Attr("id"))
	}
	return true
}

func (o *Object) setID(key, id string) {
	if o.IDs == nil {
		o.IDs = map[string]string{}
	}
	o.IDs[key] = id
}

// readInside reads the element that a list is inside of.
func (r reader) readInside(f listField, c *cibxml.Element) bool {
	if attributes := c.Attributes(); len(r.object.Lists[f.name]) > 0 || len(c.Elements()) == 0 || len(attributes) > 1 || len(attributes) == 1 && c.Attr("id") == "" {
		return false
	}
	for _, e := range c.Elements() {
		if !slices.Contains(f.shape.elements, e.Name) {
			return false
		}
	}
	for _, e := range c.Elements() {
		r.object.addTo(f, read(f.shape, e))
	}
	if id := c.Attr("id"); id != "" {
		r.object.setID(f.name, id)
	}
	return true
}

// addTo adds a part to a list; false: there may be only one.
func (o *Object) addTo(f listField, part Object) bool {
	if f.single && len(o.Lists[f.name]) > 0 {
		return false
	}
	if o.Lists == nil {
		o.Lists = map[string][]Object{}
	}
	o.Lists[f.name] = append(o.Lists[f.name], part)
	return true
}
