package pacemaker

import "slices"

// withHAProxy returns the primitives that belong to HAProxy: those in a group with a
// HAProxy, those colocated with one, and those that were made from a Description. In a
// cluster without a HAProxy, which something else then runs, all do.
func (c *CIB) withHAProxy() map[string]bool {
	configuration := c.root.child("configuration")
	resources := configuration.child("resources")
	out := map[string]bool{}
	if resources == nil {
		return out
	}
	balancers := map[string]bool{} // HAProxys, with the ids of what contains them
	for _, top := range resources.children {
		members := primitivesIn(top)
		isBalancer := slices.ContainsFunc(members, func(p *element) bool { return isHAProxy(agentOf(resources, p), p.attr("id")) })
		for _, p := range members {
			if isBalancer || top.attr("description") == mark {
				out[p.attr("id")] = true
			}
			if isBalancer {
				balancers[top.attr("id")], balancers[p.attr("id")] = true, true
			}
		}
	}
	if len(balancers) == 0 {
		for _, p := range c.primitives() {
			out[p.attr("id")] = true
		}
		return out
	}
	for _, constraint := range configuration.child("constraints").all("rsc_colocation") {
		list := colocated(constraint)
		if !slices.ContainsFunc(list, func(id string) bool { return balancers[id] }) {
			continue
		}
		for _, id := range list {
			out[id] = true
			for _, p := range primitivesIn(resources.byID(id)) {
				out[p.attr("id")] = true
			}
		}
	}
	return out
}

// primitivesIn are the primitives of a resource: itself, or those in it.
func primitivesIn(e *element) []*element {
	switch {
	case e == nil:
		return nil
	case e.name == "primitive":
		return []*element{e}
	}
	return e.all("primitive")
}

// colocated are the resources that a constraint keeps together. A constraint that keeps
// them apart has none.
func colocated(constraint *element) []string {
	if score := constraint.attr("score"); len(score) > 0 && score[0] == '-' {
		return nil
	}
	list := []string{constraint.attr("rsc"), constraint.attr("with-rsc")}
	for _, ref := range constraint.all("resource_ref") {
		list = append(list, ref.attr("id"))
	}
	return slices.DeleteFunc(list, func(id string) bool { return id == "" })
}
