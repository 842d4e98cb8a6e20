package config

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

// cut splits at the first colon.
func cut(s string) (before, after string, ok bool) {
	before, after, ok = strings.Cut(s, ":")
	return before, after, ok && before != "" && after != ""
}

// members are the resources that a group, clone or bundle may have inside, by id.
type members map[string]*cibxml.Element

func newMembers(e *cibxml.Element) members {
	m := members{}
	for _, c := range e.Elements() {
		if c.Attr("id") != "" {
			m[c.Attr("id")] = c
		}
	}
	return m
}

// writeFields makes the element of an object. name is the name of the element.
func writeFields(s *shape, o Object, name string, inside members) *cibxml.Element {
	e := cibxml.New(name)
	if o.ID != "" {
		e.Set("id", o.ID)
	}
	for _, attribute := range slices.Sorted(maps.Keys(o.Attributes)) {
		value := o.Attributes[attribute]
		if class, provider, kind, ok := splitAgent(value); s.hasAgent && attribute == "agent" && ok {
			e.Set("class", class)
			if provider != "" {
				e.Set("provider", provider)
			}
			e.Set("type", kind)
			continue
		}
		e.Set(attribute, value)
	}
	w := writer{object: &o, element: e}
	for _, f := range s.values {
		w.writeValues(f)
	}
	for _, f := range s.lists {
		w.writeList(f)
	}
	for _, f := range s.refs {
		for _, id := range o.Refs[f.name] {
			switch {
			case !f.members:
				e.Add(cibxml.New(f.elements[0], "id", id))
			case inside[id] != nil:
				e.Add(inside[id])
			}
		}
	}
	for _, text := range o.Extra {
		if c, err := cibxml.Parse([]byte(text)); err == nil { // parsed before, see checkExtra
			e.Add(c)
		}
	}
	if o.Order != nil {
		arrange(e, o.Order)
	}
	return e
}

// A writer writes the fields of an object into its element.
type writer struct {
	object  *Object
	element *cibxml.Element
}

func (w writer) writeValues(f valuesField) {
	values, ok := w.object.Values[f.name]
	switch {
	case f.element == "":
		w.writePairs(w.element, f.name, values)
	case ok:
		set := cibxml.New(f.element, "id", cmp.Or(w.object.IDs[f.name], usualID(w.object.ID, f.element)))
		w.writePairs(set, f.name, values)
		w.element.Add(set)
	}
	s := setShape(f.element)
	for _, part := range w.object.Lists[f.sets()] {
		w.element.Add(writeFields(s, part, part.element(s), nil))
	}
}

func (w writer) writePairs(set *cibxml.Element, field string, values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		id := cmp.Or(w.object.IDs[field+"/"+name], usualID(set.Attr("id"), name))
		set.Add(cibxml.New("nvpair", "id", id, "name", name, "value", values[name]))
	}
}

func (w writer) writeList(f listField) {
	into := w.element
	if f.inside != "" && len(w.object.Lists[f.name]) > 0 {
		into = cibxml.New(f.inside)
		if id := w.object.IDs[f.name]; id != "" {
			into.Set("id", id)
		}
		w.element.Add(into)
	}
	for _, part := range w.object.Lists[f.name] {
		into.Add(writeFields(f.shape, part, part.element(f.shape), nil))
	}
}

// isSet reports whether an element is a set of pairs that may have others of its kind
// beside it, where the first one wins.
func isSet(e *cibxml.Element) bool {
	return slices.Contains([]string{"instance_attributes", "meta_attributes", "utilization"}, e.Name)
}

// order has the ids of the sets of pairs.
func order(e *cibxml.Element) []string {
	out := []string{}
	for _, c := range e.Elements() {
		if isSet(c) {
			out = append(out, c.Attr("id"))
		}
	}
	return out
}

// arrange puts the sets of pairs in an order, those that it does not name behind them.
func arrange(e *cibxml.Element, order []string) {
	place := func(c *cibxml.Element) int {
		i := slices.Index(order, c.Attr("id"))
		if i < 0 {
			return len(order)
		}
		return i
	}
	sortSome(e.Children, isSet, func(a, b *cibxml.Element) int { return cmp.Compare(place(a), place(b)) })
}

// sortSome sorts some of a list among the places that they have. It is stable.
func sortSome(list []*cibxml.Element, which func(*cibxml.Element) bool, compare func(a, b *cibxml.Element) int) {
	some, at := []*cibxml.Element{}, []int{}
	for i, e := range list {
		if which(e) {
			some, at = append(some, e), append(at, i)
		}
	}
	slices.SortStableFunc(some, compare)
	for i, e := range some {
		list[at[i]] = e
	}
}

// takeOrder puts what has no order of its own where it was in an older version of e: pairs,
// and children of different names among each other.
func takeOrder(e, old *cibxml.Element) {
	place, pairs := map[string]int{}, map[string]int{}
	for i, c := range old.Elements() {
		if _, ok := place[c.Name]; !ok {
			place[c.Name] = i
		}
		if c.Name == "nvpair" {
			pairs[c.Attr("id")] = i + 1
		}
	}
	last, places := -1, map[*cibxml.Element]int{}
	for _, c := range e.Children {
		if i, ok := place[c.Name]; ok {
			last = i
		}
		places[c] = last
		if o := counterpart(c, old); o != nil && o != c {
			takeOrder(c, o)
		}
	}
	slices.SortStableFunc(e.Children, func(a, b *cibxml.Element) int { return cmp.Compare(places[a], places[b]) })
	isPair := func(c *cibxml.Element) bool { return c.Name == "nvpair" }
	sortSome(e.Children, isPair, func(a, b *cibxml.Element) int {
		i, j := pairs[a.Attr("id")], pairs[b.Attr("id")]
		if i == 0 || j == 0 { // a new one
			return cmp.Compare(j, i)
		}
		return cmp.Compare(i, j)
	})
}

// sameOrder reports whether the children that have the same name come in the same order.
// That of others means nothing.
func sameOrder(a, b *cibxml.Element) bool {
	byName := func(e *cibxml.Element) map[string][]string {
		out := map[string][]string{}
		for _, c := range e.Elements() {
			if c.Name != "nvpair" {
				out[c.Name] = append(out[c.Name], cmp.Or(c.Attr("id"), c.Name))
			}
		}
		return out
	}
	return maps.EqualFunc(byName(a), byName(b), slices.Equal)
}

// same compares what two elements mean: without comments, attributes in any order, and
// children in any but those of the same name. Pairs of a set may be in any order.
func same(a, b *cibxml.Element) bool {
	a, b = a.Clone(), b.Clone()
	group(a)
	group(b)
	return a.Equal(b)
}

// group puts children of the same name together, and pairs in order.
func group(e *cibxml.Element) {
	slices.SortStableFunc(e.Children, func(a, b *cibxml.Element) int {
		if a.Name == "nvpair" && b.Name == "nvpair" {
			return cmp.Compare(a.Attr("id"), b.Attr("id"))
		}
		return cmp.Compare(a.Name, b.Name)
	})
	for _, c := range e.Children {
		group(c)
	}
}
