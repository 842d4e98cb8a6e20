package pacemaker

import (
	"slices"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

// withHAProxy returns the primitives that belong to HAProxy: those in a group with a
// HAProxy, those colocated with one, and those that were made from a Description, but for
// the management endpoint. In a cluster without a HAProxy, which something else then runs, all do.
func (c *CIB) withHAProxy() map[string]bool {
	configuration := c.root.Child("configuration")
	resources := configuration.Child("resources")
	out := map[string]bool{}
	if resources == nil {
		return out
	}
	balancers := map[string]bool{} // HAProxys, with the ids of what contains them
	for _, top := range resources.Children {
		members := primitivesIn(top)
		isOurs := top.Attr("description") == cibxml.Mark && !isManagement(c, top)
		isBalancer := slices.ContainsFunc(members, func(p *cibxml.Element) bool { return isHAProxy(config.AgentOf(resources, p), p.Attr("id")) })
		for _, p := range members {
			if isBalancer || isOurs {
				out[p.Attr("id")] = true
			}
			if isBalancer {
				balancers[top.Attr("id")], balancers[p.Attr("id")] = true, true
			}
		}
	}
	if len(balancers) == 0 {
		for _, p := range c.primitives() {
			out[p.Attr("id")] = true
		}
		return out
	}
	for _, constraint := range configuration.Child("constraints").Descendants("rsc_colocation") {
		list := colocated(constraint)
		if !slices.ContainsFunc(list, func(id string) bool { return balancers[id] }) {
			continue
		}
		for _, id := range list {
			out[id] = true
			for _, p := range primitivesIn(resources.ByID(id)) {
				out[p.Attr("id")] = true
			}
		}
	}
	return out
}

// primitivesIn are the primitives of a resource: itself, or those in it.
func primitivesIn(e *cibxml.Element) []*cibxml.Element {
	switch {
	case e == nil:
		return nil
	case e.Name == "primitive":
		return []*cibxml.Element{e}
	}
	return e.Descendants("primitive")
}

// colocated are the resources that a constraint keeps together. A constraint that keeps
// them apart has none.
func colocated(constraint *cibxml.Element) []string {
	if score := constraint.Attr("score"); len(score) > 0 && score[0] == '-' {
		return nil
	}
	list := []string{constraint.Attr("rsc"), constraint.Attr("with-rsc")}
	for _, ref := range constraint.Descendants("resource_ref") {
		list = append(list, ref.Attr("id"))
	}
	return slices.DeleteFunc(list, func(id string) bool { return id == "" })
}
