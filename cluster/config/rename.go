package config

import (
	"fmt"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// rename changes the id of the object, and all that is made of it.
func (c *change) rename() error {
	if err := c.checkTo(); err != nil {
		return err
	}
	from := c.old.Attr("id")
	changed := map[string]string{from: c.To}
	c.old.Set("id", c.To)
	for _, e := range ownElements(c.old) {
		if rest, ok := strings.CutPrefix(e.Attr("id"), from+"-"); ok {
			changed[e.Attr("id")] = c.To + "-" + rest
			e.Set("id", c.To+"-"+rest)
		}
	}
	for _, r := range references(c.configuration) {
		if to, ok := changed[r.id]; ok {
			r.set(to)
		}
	}
	return nil
}

// copy makes a copy beside the object. Its members are copied, too.
func (c *change) copy() error {
	if err := c.checkTo(); err != nil {
		return err
	}
	from, e := c.old.Attr("id"), c.old.Clone()
	changed := map[string]string{from: c.To}
	e.Set("id", c.To)
	for _, d := range e.Descendants("") {
		id := d.Attr("id")
		if id == "" || isReference(d) {
			continue
		}
		to := c.To + "-" + id
		if rest, ok := strings.CutPrefix(id, from+"-"); ok {
			to = c.To + "-" + rest
		}
		changed[id] = to
		d.Set("id", to)
	}
	for _, r := range references(cibxml.New("copy").Add(e)) {
		if to, ok := changed[r.id]; ok && r.attribute == "id-ref" {
			r.set(to)
		}
	}
	c.configuration.Ensure(c.Kind.section()).Add(e)
	return nil
}

func (c *change) checkTo() error {
	switch {
	case c.Kind == Nodes:
		return &lb.ConflictError{ID: c.name(), Reason: "a node's name and id are those of corosync or of its connection"}
	case !IsID(c.To):
		return invalid("to", fmt.Sprintf("is %q", c.To), "letters, digits and . _ - beginning with a letter or _")
	case c.configuration.ByID(c.To) != nil:
		return &lb.ConflictError{ID: c.Kind.one(c.To), Reason: "this id is taken by " + c.configuration.ByID(c.To).Name + " " + c.To}
	}
	return nil
}

// ownElements are the elements in e, but not the resources in it and what they have.
func ownElements(e *cibxml.Element) []*cibxml.Element {
	var out []*cibxml.Element
	for _, c := range e.Elements() {
		if slices.Contains([]string{"primitive", "group"}, c.Name) || isReference(c) {
			continue
		}
		out = append(out, c)
		out = append(out, ownElements(c)...)
	}
	return out
}
