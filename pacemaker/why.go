package pacemaker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thalassa/cluster"
)

// explain says of every resource that is not where it should be, why.
func explain(v *cluster.Status, c *CIB) {
	x := explainer{v: v, cib: c, constraints: c.section("constraints")}
	for i := range v.Resources {
		r := &v.Resources[i]
		switch r.State {
		case "stopped", "disabled":
			r.Why = x.stopped(*r)
		case "failed", "blocked":
			r.Why = x.failures(*r)
		}
		if !r.Managed {
			r.Why = append(r.Why, x.unmanaged(*r))
		}
	}
}

// explainer has what explains a status.
type explainer struct {
	v           *cluster.Status
	cib         *CIB
	constraints *element
}

// names are the ids by which constraints can mean a resource: its own, and those of its
// containers.
func names(r cluster.Resource) []string { return append([]string{r.ID}, r.Containers...) }

// stopped says why a resource does not run: what stops it everywhere, or else what keeps
// it off each node.
func (x explainer) stopped(r cluster.Resource) []string {
	switch {
	case x.v.StopAll:
		return []string{"stop-all-resources is set"}
	case r.State == "disabled":
		return []string{"its target-role is Stopped"}
	case x.v.Maintenance:
		return []string{"the cluster is in maintenance"}
	case !x.v.Quorum && !slices.Contains([]string{"ignore", "freeze"}, x.cib.property("no-quorum-policy")):
		return []string{"this part of the cluster has no quorum"}
	}
	why := x.tickets(r)
	why = append(why, x.dependencies(r)...)
	if f := x.v.Fencing; f.Enabled && !f.Watchdog && len(f.Devices) == 0 {
		why = append(why, "stonith-enabled is true and there is no fence device, so Pacemaker starts nothing")
	}
	if len(why) > 0 {
		return append(why, x.failures(r)...)
	}
	for _, n := range x.v.Nodes {
		if reason := x.onNode(r, n); reason != "" {
			why = append(why, reason)
		}
	}
	return append(why, x.failures(r)...)
}

// onNode says why a resource does not run on a node; empty: unknown.
func (x explainer) onNode(r cluster.Resource, n cluster.Node) string {
	if n.State != "online" {
		return "node " + n.Name + " is " + n.State
	}
	for _, f := range x.v.FailCounts {
		if f.Resource == r.ID && f.Node == n.Name && f.Threshold > 0 && f.Count >= f.Threshold {
			return fmt.Sprintf("it failed too often on %s (fail count %s)", n.Name, countText(f.Count))
		}
	}
	for _, b := range x.v.Bans {
		if slices.Contains(names(r), b.Resource) && b.Node == n.Name && !b.PromotedOnly {
			return fmt.Sprintf("the constraint %s keeps it off %s", b.ID, n.Name)
		}
	}
	if isFalse(x.cib.property("symmetric-cluster")) && !x.isAllowed(r, n.Name) {
		return "no constraint allows it on " + n.Name + " (symmetric-cluster=false)"
	}
	return x.lacks(r, n)
}

func countText(n int) string {
	if n >= infinity {
		return "INFINITY"
	}
	return strconv.Itoa(n)
}

// isAllowed reports whether a location constraint names the resource and the node, or
// has a rule, which may mean any node.
func (x explainer) isAllowed(r cluster.Resource, node string) bool {
	return slices.ContainsFunc(x.constraints.all("rsc_location"), func(e *element) bool {
		return x.means(e, r) && (e.attr("node") == node || e.child("rule") != nil) && !strings.HasPrefix(e.attr("score"), "-")
	})
}

// means reports whether a constraint names a resource, one of its containers, or a set
// with one of them.
func (x explainer) means(e *element, r cluster.Resource) bool {
	list := names(r)
	return slices.Contains(list, e.attr("rsc")) || slices.ContainsFunc(e.all("resource_ref"), func(ref *element) bool {
		return slices.Contains(list, ref.attr("id"))
	})
}

// lacks says which capacity of a node is too small for a resource, beside those that run
// there.
func (x explainer) lacks(r cluster.Resource, n cluster.Node) string {
	if strategy := x.cib.property("placement-strategy"); strategy == "" || strategy == "default" {
		return ""
	}
	for name, text := range r.Utilization {
		need, free := number(text), number(n.Utilization[name])
		for _, other := range x.v.Resources {
			if slices.Contains(other.Nodes(), n.Name) {
				free -= number(other.Utilization[name])
			}
		}
		if need > free {
			return fmt.Sprintf("%s has too little %s: %d needed, %d free", n.Name, name, need, free)
		}
	}
	return ""
}

// tickets says which tickets a resource lacks.
func (x explainer) tickets(r cluster.Resource) []string {
	var why []string
	for _, e := range x.constraints.all("rsc_ticket") {
		if !x.means(e, r) {
			continue
		}
		id := e.attr("ticket")
		i := slices.IndexFunc(x.v.Tickets, func(t cluster.Ticket) bool { return t.ID == id })
		switch {
		case i < 0 || !x.v.Tickets[i].Granted:
			why = append(why, "the ticket "+id+" is not granted")
		case x.v.Tickets[i].Standby:
			why = append(why, "the ticket "+id+" is in standby")
		}
	}
	return why
}

// dependencies says which resources do not run that a resource needs: members of its
// group before it, and those of its constraints.
func (x explainer) dependencies(r cluster.Resource) []string {
	var why []string
	need := func(id, because string) {
		if line := id + ", which it needs, does not run" + because; id != "" && !x.runs(id) && !slices.Contains(why, line) {
			why = append(why, line)
		}
	}
	resources := x.cib.section("resources")
	for _, id := range r.Containers {
		group := resources.byID(id)
		if group == nil || group.name != "group" || isFalse(group.nvpair("meta_attributes", "ordered")) {
			continue
		}
		for _, p := range group.all("primitive") {
			if p.attr("id") == r.ID {
				break
			}
			need(p.attr("id"), "")
		}
	}
	for _, e := range slices.Concat(x.constraints.all("rsc_colocation"), x.constraints.all("rsc_order")) {
		needed, dependent := e.attr("with-rsc"), e.attr("rsc")
		switch {
		case e.name == "rsc_order" && (e.attr("kind") == "Optional" || e.attr("score") == "0"):
			continue
		case e.name == "rsc_order":
			needed, dependent = e.attr("first"), e.attr("then")
		case e.attr("score") != "INFINITY" && e.attr("score") != "":
			continue
		}
		if slices.Contains(names(r), dependent) {
			need(needed, " (constraint "+e.attr("id")+")")
		}
	}
	return why
}

// runs reports whether a resource, or every one in a container, runs somewhere.
func (x explainer) runs(id string) bool {
	for _, r := range x.v.Resources {
		if slices.Contains(names(r), id) && len(r.Places) == 0 {
			return false
		}
	}
	return true
}

// failures says which operations of a resource failed.
func (x explainer) failures(r cluster.Resource) []string {
	var why []string
	for _, f := range x.v.Failures {
		if f.Resource == r.ID {
			why = append(why, fmt.Sprintf("%s failed on %s: %s", f.Operation, f.Node, failureReason(f)))
		}
	}
	return why
}

// unmanaged says why Pacemaker does not manage a resource.
func (x explainer) unmanaged(r cluster.Resource) string {
	resources := x.cib.section("resources")
	for _, id := range names(r) {
		e := resources.byID(id)
		if e == nil {
			continue
		}
		meta := pairsIn(resources, e, "meta_attributes")
		if e.name == "primitive" {
			meta = inherited(resources, e, "meta_attributes")
		}
		switch {
		case isTrue(meta["maintenance"]):
			return id + " is in maintenance"
		case isFalse(meta["is-managed"]):
			return "is-managed of " + id + " is false"
		}
	}
	switch {
	case x.v.Maintenance:
		return "the cluster is in maintenance"
	case isFalse(x.cib.property("is-managed-default")):
		return "is-managed-default is false"
	}
	for _, n := range x.v.Nodes {
		if n.State == "maintenance" && slices.Contains(r.Nodes(), n.Name) {
			return "node " + n.Name + " is in maintenance"
		}
	}
	for _, name := range []string{"maintenance", "is-managed"} {
		if value := x.cib.section("rsc_defaults").nvpair("meta_attributes", name); name == "maintenance" && isTrue(value) || name == "is-managed" && isFalse(value) {
			return "the default of " + name + " is " + value
		}
	}
	return "its operations or its node do not allow it"
}
