package pacemaker

import (
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// checkAction reports what the cluster does not have, and what its present state forbids.
func checkAction(cib *CIB, v cluster.Status, a cluster.Action) error {
	if err := checkNames(cib, v, a); err != nil {
		return err
	}
	n := v.NodeNamed(a.Node)
	switch a.Kind {
	case cluster.Startup, cluster.Shutdown, cluster.Leave, cluster.Forget:
		return &lb.ConflictError{ID: "cluster", Reason: "Pacemaker cannot " + a.Kind + " nodes; the agents do that"}
	case cluster.Fence:
		if !v.Fencing.Works() {
			return &lb.ConflictError{ID: "node/" + a.Node, Reason: NoFencing(v.Fencing)}
		}
	case cluster.ClearState:
		if slices.Contains([]string{"online", "standby", "maintenance", "pending"}, n.State) {
			return &lb.ConflictError{ID: "node/" + a.Node, Reason: "it is " + n.State + ": only a node that the cluster has lost can be confirmed as down"}
		}
	case cluster.Restart:
		if targetRole(cib, a.Resource) == "Stopped" {
			return &lb.ConflictError{ID: "resource/" + a.Resource, Reason: "an operator has stopped it: start it instead"}
		}
	case cluster.Promote, cluster.Demote:
		return checkPromotable(cib, a.Resource)
	case cluster.Grant, cluster.Revoke:
		if booth := boothOf(cib); booth != "" {
			return &lb.ConflictError{ID: "ticket/" + a.Ticket, Reason: "booth (resource " + booth + ") grants the tickets here: two sites could have it at once. Use booth grant or booth revoke"}
		}
	}
	return nil
}

// checkNames reports a node, resource or ticket that the cluster does not have.
func checkNames(cib *CIB, v cluster.Status, a cluster.Action) error {
	if err := a.Check(); err != nil {
		return err
	}
	if a.Node != "" && v.NodeNamed(a.Node).Name == "" {
		return &lb.NotFoundError{ID: "node/" + a.Node}
	}
	if a.Resource != "" && !slices.ContainsFunc(v.Resources, func(r cluster.Resource) bool { return slices.Contains(names(r), a.Resource) }) {
		if takesTags(a.Kind) && cib.section("tags").ByID(a.Resource) != nil {
			return nil
		}
		return &lb.NotFoundError{ID: "resource/" + a.Resource}
	}
	if a.Ticket != "" && !hasTicket(cib, v, a.Ticket) {
		return &lb.NotFoundError{ID: "ticket/" + a.Ticket}
	}
	return nil
}

// takesTags reports whether an action may be about all that a tag names.
func takesTags(kind string) bool {
	return slices.Contains([]string{cluster.Start, cluster.Stop, cluster.Manage, cluster.Unmanage}, kind)
}

// tagged are the resources that a tag names, or the resource of that name.
func tagged(c *CIB, id string) []string {
	tag := c.section("tags").ByID(id)
	if tag == nil || tag.Name != "tag" {
		return []string{id}
	}
	var out []string
	for _, ref := range tag.Descendants("obj_ref") {
		if c.section("resources").ByID(ref.Attr("id")) != nil {
			out = append(out, ref.Attr("id"))
		}
	}
	return out
}

// hasTicket reports whether a ticket is known, by its state or by a constraint.
func hasTicket(c *CIB, v cluster.Status, id string) bool {
	if slices.ContainsFunc(v.Tickets, func(t cluster.Ticket) bool { return t.ID == id }) {
		return true
	}
	for _, e := range c.section("constraints").Descendants("rsc_ticket") {
		if e.Attr("ticket") == id {
			return true
		}
	}
	return false
}

// boothOf is the resource that grants tickets of several sites; empty: there is none.
func boothOf(c *CIB) string {
	for _, p := range c.primitives() {
		if strings.HasSuffix(config.AgentOf(c.section("resources"), p), ":booth-site") {
			return p.Attr("id")
		}
	}
	return ""
}

// checkPromotable reports a resource that is no promotable clone, nor in one.
func checkPromotable(c *CIB, resource string) error {
	for _, top := range c.section("resources").Elements() {
		own := top.Attr("id") == resource || top.ByID(resource) != nil
		if own && (top.Name == "master" || top.Name == "clone" && top.Pair("meta_attributes", "promotable") == "true") {
			return nil
		}
	}
	return &lb.ConflictError{ID: "resource/" + resource, Reason: "it is no promotable clone"}
}

// targetRole is the target-role that a resource has itself, or by its clone; empty: it has
// none.
func targetRole(c *CIB, resource string) string {
	resources := c.section("resources")
	e := resources.ByID(resource)
	if e == nil {
		return ""
	}
	if role := e.Pair("meta_attributes", "target-role"); role != "" {
		return role
	}
	for _, clone := range resources.Descendants("clone") {
		if clone.ByID(resource) != nil {
			return clone.Pair("meta_attributes", "target-role")
		}
	}
	return ""
}
