package config

import (
	"fmt"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
)

// putXML makes or replaces the object by an element of XML. Members stand in it as elements:
// one with nothing but an id is the resource that there is. Former members that do not stand
// in it stay as resources of their own.
func (c *change) putXML() error {
	e, err := cibxml.Parse(c.Body)
	if err != nil {
		return invalid("body", "is not XML: "+strings.TrimPrefix(err.Error(), "reading XML: "), "the element of the object")
	}
	s := shapeOf(c.Kind)
	if !slices.Contains(s.elements, e.Name) {
		return invalid("body", "is <"+e.Name+">", "<"+strings.Join(s.elements, "> or <")+">")
	}
	id := c.ID
	if c.old != nil {
		id = c.old.Attr("id")
	}
	if !e.Has("id") {
		e.Set("id", id)
	}
	if e.Attr("id") != id {
		return invalid("id", "is not the one of the path", "no id, or that one; POST …/rename changes it")
	}
	if err := c.takeElements(e, s); err != nil {
		return err
	}
	o := Read(c.Kind, e)
	if err := c.check(&o); err != nil {
		return err
	}
	if err := unmask(e, c.old); err != nil {
		return err
	}
	if c.old == nil {
		c.configuration.Ensure(c.Kind.section()).Add(e)
		return nil
	}
	e.TakeComments(c.old)
	*c.old = *e
	return nil
}

// takeElements puts the resources that an element names into it, and takes them from where
// they are.
func (c *change) takeElements(e *cibxml.Element, s *shape) error {
	for _, f := range s.refs {
		if !f.members {
			continue
		}
		former := newMembers(orNone(c.old))
		inside := members{}
		resources := c.configuration.Ensure("resources")
		for i, child := range e.Children {
			id := child.Attr("id")
			if !slices.Contains(f.elements, child.Name) {
				continue
			}
			old := former[id]
			if old == nil {
				old = c.freeResource(id, f.elements)
			}
			switch isName := len(child.Attributes()) == 1 && len(child.Elements()) == 0; {
			case isName && old == nil:
				return invalid("body", fmt.Sprintf("has <%s id=%q>, and there is no such resource that is in nothing else", child.Name, id), "the resource with all that it has")
			case isName:
				e.Children[i] = old
			default:
				if err := unmask(child, old); err != nil {
					return err
				}
			}
			inside[id] = e.Children[i]
			resources.Children = slices.DeleteFunc(resources.Children, func(r *cibxml.Element) bool { return r == old })
		}
		for _, m := range orNone(c.old).Elements() {
			if slices.Contains(f.elements, m.Name) && inside[m.Attr("id")] == nil {
				resources.Add(m)
			}
		}
	}
	return nil
}

func orNone(e *cibxml.Element) *cibxml.Element {
	if e == nil {
		return cibxml.New("none")
	}
	return e
}
