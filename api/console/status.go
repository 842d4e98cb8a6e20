package console

import (
	"github.com/labstack/echo/v4"

	"thalassa/cluster/cibxml"
)

// status answers with a part of what crm_mon says.
func (d *Dialect) status(c echo.Context) error {
	if err := d.ready(); err != nil {
		return err
	}
	said, err := d.source.Monitor(c.Request().Context())
	if err != nil {
		return err
	}
	part := func(name string) *cibxml.Element {
		if e := said.Child(name); e != nil {
			return e
		}
		return cibxml.New(name)
	}
	id := c.Param("id")
	switch c.Param("type") {
	case "nodes":
		return pick(c, objects(named(part("nodes"), "node"), attributes), id)
	case "resources":
		return pick(c, objects(named(part("resources"), "resource", "group", "clone", "bundle"), resourceState), id)
	case "summary":
		if id == "" {
			return answer(c, orNull(summary(part("summary"))))
		}
	case "failures":
		return failures(c, objects(named(part("failures"), "failure"), attributes), id)
	}
	return notFound(c)
}

// attributes are those of an element, without its children.
func attributes(e *cibxml.Element) object {
	o := object{}
	for _, a := range e.Attributes() {
		o[a.Name] = a.Value
	}
	return o
}

// failures answers with the failed operations, or with those on a node. Without any, it is
// an empty list: hawk-apiserver closed the connection.
func failures(c echo.Context, list []object, node string) error {
	out := []object{}
	for _, o := range list {
		if node == "" || o["node"] == node {
			out = append(out, o)
		}
	}
	return answer(c, out)
}

// summary has a field for each attribute, with the name of its element before it.
func summary(e *cibxml.Element) object {
	o := object{}
	for _, c := range e.Elements() {
		for _, a := range c.Attributes() {
			o[c.Name+"_"+a.Name] = a.Value
		}
	}
	return o
}

// resourceState is the state of a resource and of those in it.
func resourceState(e *cibxml.Element) object {
	switch e.Name {
	case "group":
		return object{"id": e.Attr("id"), "type": "group", "primitives": objects(named(e, "resource"), resourceState)}
	case "clone":
		o := object{"id": e.Attr("id"), "type": "clone", "multi_state": e.Attr("multi_state")}
		if e.Attr("multi_state") == "true" {
			o["type"] = "master"
		}
		if list := objects(named(e, "resource"), resourceState); len(list) > 0 {
			o["primitive"] = list
		}
		if list := objects(named(e, "group"), resourceState); len(list) > 0 {
			o["groups"] = list
		}
		return o
	case "bundle":
		o := object{"id": e.Attr("id"), "type": "bundle"}
		var inside []object
		for _, replica := range named(e, "replica") {
			inside = append(inside, objects(named(replica, "resource"), resourceState)...)
		}
		if len(inside) > 0 {
			o["primitive"] = inside
		}
		return o
	}
	at := ""
	if nodes := named(e, "node"); len(nodes) == 1 {
		at = nodes[0].Attr("name")
	}
	return object{"id": e.Attr("id"), "type": "primitive", "resource_agent": e.Attr("resource_agent"), "role": e.Attr("role"), "on_node": at}
}
