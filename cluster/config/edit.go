package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// What an Edit does.
const (
	Put    = "PUT"    // creates or replaces an object by Body
	Patch  = "PATCH"  // changes fields by Body, a JSON merge patch (RFC 7396)
	Delete = "DELETE" // removes an object
	Rename = "rename" // gives an object the id To; references follow
	Copy   = "copy"   // makes a copy with the id To
	// Unchanged changes nothing, and is refused unless the object is as Digest says.
	Unchanged = "unchanged"
)

// An Edit is a change of one object.
type Edit struct {
	Op   string
	Kind Kind
	ID   string
	Body []byte // JSON; of Put and Patch
	// IsXML: Body, of Put, is the object's element as XML.
	IsXML bool
	To    string // of Rename and Copy
	// IfMatch are entity tags of the object or of the configuration; the edit is refused
	// unless one of them holds. "*": the object exists. Empty: no condition.
	IfMatch []string
	// IfNone refuses the edit if the object exists.
	IfNone bool
	// Cascade, of Delete, removes the constraints and the entries of sets, tags and fencing
	// levels that name the object.
	Cascade bool
	// Digest, of Unchanged, is that of the object by Digests; empty: there is none.
	Digest string
}

// name is the object for people.
func (e Edit) name() string { return e.Kind.one(e.ID) }

// one is an object of a kind for people: "primitives/vip".
func (k Kind) one(id string) string { return string(k) + "/" + id }

// Apply makes the edits in a configuration, in their order. version is the version of the CIB,
// admin:epoch. References between objects need to be valid only after the last edit. The error is
// an *lb.EditError with an *lb.InvalidError, *lb.NotFoundError, *lb.ConflictError or
// *lb.PreconditionError. After an error, do not use the configuration.
func Apply(configuration *cibxml.Element, version string, edits []Edit) error {
	before := lacks(configuration)
	duplicates := duplicateIDs(configuration)
	for i, e := range edits {
		c := change{Edit: e, configuration: configuration, version: version}
		if err := c.do(); err != nil {
			return &lb.EditError{Index: i, Err: err}
		}
	}
	for id := range duplicateIDs(configuration) {
		if !duplicates[id] {
			return blame(edits, id, &lb.ConflictError{ID: id, Reason: "two elements would have this id"})
		}
	}
	for _, l := range lacks(configuration) {
		if !slices.Contains(before, l) {
			return blame(edits, l.by, l.problem(edits))
		}
	}
	return nil
}

// blame attributes an error to the edit of an id, or else to the last edit.
func blame(edits []Edit, id string, err error) error {
	i := slices.IndexFunc(edits, func(e Edit) bool { return e.ID == id || e.To == id })
	if i < 0 {
		i = len(edits) - 1
	}
	return &lb.EditError{Index: i, Err: err}
}

// A change is an edit that is being made.
type change struct {
	Edit

	configuration *cibxml.Element
	version       string
	old           *cibxml.Element // the object's element; nil: there is none
}

func (c *change) do() error {
	c.old = Find(c.configuration, c.Kind, c.ID)
	if err := c.checkConditions(); err != nil {
		return err
	}
	if c.Op == Unchanged {
		return c.checkUnchanged()
	}
	if c.old == nil && c.Op != Put {
		return &lb.NotFoundError{ID: c.name()}
	}
	switch c.Op {
	case Put:
		if c.IsXML {
			return c.putXML()
		}
		doc, err := parseDocument(c.Body)
		if err != nil {
			return err
		}
		return c.put(doc)
	case Patch:
		return c.patch()
	case Delete:
		return c.remove()
	case Rename:
		return c.rename()
	case Copy:
		return c.copy()
	}
	return invalid("method", fmt.Sprintf("is %q", c.Op), "PUT, PATCH, DELETE, rename or copy")
}

func invalid(path, problem, expected string) error {
	return &lb.InvalidError{Fields: []lb.FieldError{{Path: path, Problem: problem, Expected: expected}}}
}

func (c *change) checkConditions() error {
	current := ""
	if c.old != nil {
		current = Tag(c.Kind, c.old, c.version)
	}
	failed := &lb.PreconditionError{ID: c.name(), Current: current}
	switch {
	case c.IfNone && c.old != nil:
		return failed
	case len(c.IfMatch) == 0:
		return nil
	case slices.Contains(c.IfMatch, "*") && c.old != nil:
		return nil
	case !slices.Contains(c.IfMatch, ConfigurationTag(c.version)) && (current == "" || !slices.Contains(c.IfMatch, current)):
		return failed
	}
	return nil
}

// put makes or replaces the object.
func (c *change) put(doc map[string]any) error {
	var was *Object
	if c.old != nil {
		o := Read(c.Kind, c.old)
		was = &o
	}
	if doc["id"] == nil {
		doc["id"] = c.ID
		if was != nil {
			doc["id"] = was.ID
		}
	}
	o, err := parse(c.Kind, doc, was)
	if err != nil {
		return err
	}
	if was != nil && o.ID != was.ID || was == nil && o.ID != c.ID {
		return invalid("id", "is not the one of the path", "no id, or that one; POST …/rename changes it")
	}
	if was != nil {
		o.keep(was)
	}
	o.complete(shapeOf(c.Kind))
	if err := c.check(&o); err != nil {
		return err
	}
	return c.write(&o)
}

// patch changes fields of the object.
func (c *change) patch() error {
	change, err := parseDocument(c.Body)
	if err != nil {
		return err
	}
	o := Read(c.Kind, c.old)
	text, err := json.Marshal(o.Document(c.Kind))
	if err != nil {
		return fmt.Errorf("writing %s as JSON: %w", c.name(), err)
	}
	doc, err := parseDocument(text)
	if err != nil {
		return err
	}
	return c.put(mergePatch(doc, change))
}

// mergePatch is MergePatch of RFC 7396 for objects.
func mergePatch(target, patch map[string]any) map[string]any {
	for name, value := range patch {
		inner, isObject := value.(map[string]any)
		switch {
		case value == nil:
			delete(target, name)
		case isObject:
			was, _ := target[name].(map[string]any)
			if was == nil {
				was = map[string]any{}
			}
			target[name] = mergePatch(was, inner)
		default:
			target[name] = value
		}
	}
	return target
}

// keep copies from the old object what a document may omit: XML that no field describes, ids and
// the order.
func (o *Object) keep(old *Object) {
	if o.Extra == nil {
		o.Extra = old.Extra
	}
	if o.Order == nil {
		o.Order = old.Order
	}
	if o.Element == "" {
		o.Element = old.Element
	}
	if o.IDs == nil {
		o.IDs = old.IDs
	}
	for field, parts := range o.Lists {
		for i := range parts {
			j := slices.IndexFunc(old.Lists[field], func(p Object) bool { return parts[i].isLike(p) })
			if j >= 0 {
				parts[i].ID = cmp.Or(parts[i].ID, old.Lists[field][j].ID)
				parts[i].keep(&old.Lists[field][j])
			}
		}
	}
}

// isLike reports whether a part of a new document is the same as an old part: by its id, or,
// without an id, by name and interval as for operations.
func (o *Object) isLike(old Object) bool {
	if o.ID != "" {
		return o.ID == old.ID
	}
	name := o.Attributes["name"]
	return name == "" && old.Attributes["name"] == "" && old.ID == "" ||
		name != "" && name == old.Attributes["name"] && o.interval() == old.interval()
}

// monitor is the operation that is repeated.
const monitor = "monitor"

// once is the interval of an operation that is not repeated.
const once = "0s"

// interval is that of an operation, once where none is written.
func (o *Object) interval() string {
	if value := o.Attributes["interval"]; value != "" && value != "0" {
		return value
	}
	return once
}

// complete gives ids to parts that have none, and an interval to operations: the schema of the CIB
// requires one, and only a monitor is repeated.
func (o *Object) complete(s *shape) {
	used := map[string]bool{o.ID: true}
	for _, f := range s.allLists() {
		for _, part := range o.Lists[f.name] {
			used[part.ID] = true
		}
	}
	for _, f := range s.allLists() {
		parts := o.Lists[f.name]
		for i := range parts {
			if name := parts[i].Attributes["name"]; f.name == "ops" && name != "" && name != monitor && parts[i].Attributes["interval"] == "" {
				parts[i].Attributes["interval"] = once
			}
			if parts[i].ID == "" && f.shape.hasIDs() && parts[i].Attributes["id-ref"] == "" {
				id := usualID(o.ID, parts[i].partName(f.shape))
				for n := 1; used[id]; n++ {
					id = fmt.Sprintf("%s-%d", usualID(o.ID, parts[i].partName(f.shape)), n)
				}
				used[id], parts[i].ID = true, id
			}
			parts[i].complete(f.shape)
		}
	}
}

// hasIDs reports whether elements of that shape have ids: all but the parts of bundles.
func (s *shape) hasIDs() bool {
	return !slices.Contains([]string{"podman", "network"}, s.elements[0])
}

// partName is the end of a part's id: monitor-10s of an operation.
func (o *Object) partName(s *shape) string {
	if s.elements[0] == "op" {
		return strings.Map(func(r rune) rune {
			if IsID("_" + string(r)) {
				return r
			}
			return '_'
		}, o.Attributes["name"]+"-"+cmp.Or(o.Attributes["interval"], "0"))
	}
	return o.element(s)
}

// write puts the object's element into the configuration.
func (c *change) write(o *Object) error {
	s := shapeOf(c.Kind)
	inside, err := c.takeMembers(o, s)
	if err != nil {
		return err
	}
	e := writeFields(s, *o, o.element(s), inside)
	if c.old == nil {
		if strings.Contains(string(e.Bytes()), `"`+cibxml.Masked+`"`) {
			return invalid("body", "has "+cibxml.Masked+", which stands for a secret that is kept, and there is none", "the value itself")
		}
		c.configuration.Ensure(c.Kind.section()).Add(e)
		return nil
	}
	takeOrder(e, c.old)
	if o.Order != nil {
		arrange(e, o.Order)
	}
	if err := unmask(e, c.old); err != nil {
		return err
	}
	e.TakeComments(c.old)
	*c.old = *e
	return nil
}

// takeMembers moves the members of the object into it. Former members that it does not name become
// siblings of the object.
func (c *change) takeMembers(o *Object, s *shape) (members, error) {
	inside := members{}
	for _, f := range s.refs {
		if !f.members {
			continue
		}
		former := newMembers(cmp.Or(c.old, cibxml.New("none")))
		for i, id := range o.Refs[f.name] {
			path := fmt.Sprintf("%s[%d]", f.name, i)
			if f.single {
				path = f.name
			}
			e := former[id]
			if e == nil || !slices.Contains(f.elements, e.Name) {
				e = c.freeResource(id, f.elements)
			}
			if e == nil {
				return nil, invalid(path, fmt.Sprintf("is %q", id), "the id of a "+strings.Join(f.elements, " or ")+" that is in nothing else")
			}
			if inside[id] != nil {
				return nil, invalid(path, fmt.Sprintf("is %q, as is one before it", id), "each resource once")
			}
			inside[id] = e
		}
		resources := c.configuration.Ensure("resources")
		for _, e := range cmp.Or(c.old, cibxml.New("none")).Elements() {
			if slices.Contains(f.elements, e.Name) && inside[e.Attr("id")] == nil {
				resources.Add(e)
			}
		}
		resources.Children = slices.DeleteFunc(resources.Children, func(e *cibxml.Element) bool { return inside[e.Attr("id")] == e })
	}
	return inside, nil
}

// freeResource is a resource that is in no other; nil: there is none.
func (c *change) freeResource(id string, elements []string) *cibxml.Element {
	for _, e := range c.configuration.Ensure("resources").Elements() {
		if e.Attr("id") == id && slices.Contains(elements, e.Name) {
			return e
		}
	}
	return nil
}

// unmask puts back the values of the old element where the new one has masks.
func unmask(e, old *cibxml.Element) error {
	for _, a := range e.Attributes() {
		if a.Value != cibxml.Masked {
			continue
		}
		if old == nil || !old.Has(a.Name) {
			return invalid("body", fmt.Sprintf("has %s in %s %s, which stands for a secret that is kept, and there is none", cibxml.Masked, e.Name, e.Attr("id")), "the value itself")
		}
		e.Set(a.Name, old.Attr(a.Name))
	}
	for _, c := range e.Elements() {
		if err := unmask(c, counterpart(c, old)); err != nil {
			return err
		}
	}
	return nil
}

// counterpart is the child of old that a new child replaces; nil: there is none.
func counterpart(c, old *cibxml.Element) *cibxml.Element {
	if old == nil {
		return nil
	}
	for _, o := range old.Elements() {
		if o.Name == c.Name && o.Attr("id") == c.Attr("id") && o.Attr("name") == c.Attr("name") {
			return o
		}
	}
	return nil
}

// remove deletes the object. Members of a group, clone or bundle stay as resources of
// their own.
func (c *change) remove() error {
	if c.Cascade {
		removeReferences(c.configuration, c.old.Attr("id"))
	}
	parent := parentOf(c.configuration, c.old)
	at := slices.Index(parent.Children, c.old)
	kept := slices.DeleteFunc(c.old.Elements(), func(e *cibxml.Element) bool {
		return !slices.Contains([]string{"primitive", "group"}, e.Name)
	})
	if len(kept) > 0 && !c.Kind.IsResource() {
		kept = nil
	}
	if len(kept) == 0 && parent.Name != c.Kind.section() && len(newMembers(parent)) > 0 && lastMember(parent, c.old) {
		return &lb.ConflictError{ID: c.name(), Reason: "it is all that " + parent.Name + " " + parent.Attr("id") + " has; delete that as well", By: []string{parent.Attr("id")}}
	}
	parent.Children = slices.Replace(parent.Children, at, at+1, kept...)
	return nil
}

// lastMember reports whether a container has no other resource inside.
func lastMember(parent, e *cibxml.Element) bool {
	return !slices.ContainsFunc(parent.Elements(), func(o *cibxml.Element) bool {
		return o != e && slices.Contains([]string{"primitive", "group"}, o.Name)
	})
}

// parentOf is the element that has e as a child.
func parentOf(root, e *cibxml.Element) *cibxml.Element {
	for _, c := range root.Children {
		if c == e {
			return root
		}
		if p := parentOf(c, e); p != nil {
			return p
		}
	}
	return nil
}

// duplicateIDs are the ids that two elements have. Nodes have numbers, and references the
// ids of others.
func duplicateIDs(configuration *cibxml.Element) map[string]bool {
	seen, out := map[string]int{}, map[string]bool{}
	for _, e := range configuration.Descendants("") {
		if id := e.Attr("id"); id != "" && e.Name != "node" && !isReference(e) {
			seen[id]++
		}
	}
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		if seen[id] > 1 {
			out[id] = true
		}
	}
	return out
}
