package pacemaker

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

// explain says of every resource that is not where it should be, why. found is what the
// scheduler says, for those that nothing else explains. It returns the resources that an
// operator or a ticket keeps from running.
func explain(v *cluster.Status, c *CIB, found map[string][]string) (withheld map[string]bool) {
	x := explainer{v: v, cib: c, constraints: c.section("constraints")}
	for i := range v.Resources {
		r := &v.Resources[i]
		switch r.State {
		case "stopped", "disabled":
			if r.Why = x.stopped(*r); len(r.Why) == 0 {
				r.Why = found[r.ID]
			}
		case "failed", "blocked":
			r.Why = append(x.frozen(*r), x.failures(*r)...)
		}
		if reason := x.unmanaged(*r); !r.Managed && (reason != "" || len(r.Why) == 0) {
			r.Why = append(r.Why, cmp.Or(reason, "its operations or its node do not allow it"))
		}
	}
	return x.withheld()
}

// explainer has what explains a status.
type explainer struct {
	v           *cluster.Status
	cib         *CIB
	constraints *cibxml.Element
}

// names are the ids of a resource and of its containers.
func names(r cluster.Resource) []string { return append([]string{r.ID}, r.Containers...) }

// ids are the ids by which constraints can mean a resource: its names, its template, and
// the tags of these.
func (x explainer) ids(r cluster.Resource) []string {
	list := names(r)
	if p := x.cib.section("resources").ByID(r.ID); p != nil && p.Attr("template") != "" {
		list = append(list, p.Attr("template"))
	}
	for _, tag := range x.cib.section("tags").Descendants("tag") {
		if slices.ContainsFunc(tag.Descendants("obj_ref"), func(ref *cibxml.Element) bool { return slices.Contains(list, ref.Attr("id")) }) {
			list = append(list, tag.Attr("id"))
		}
	}
	return list
}

// meant are the resources that an id in a constraint means.
func (x explainer) meant(id string) []cluster.Resource {
	return slices.DeleteFunc(slices.Clone(x.v.Resources), func(r cluster.Resource) bool { return !slices.Contains(x.ids(r), id) })
}

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
	for _, d := range x.dependencies(r) {
		why = append(why, d.String())
	}
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
		if slices.Contains(x.ids(r), b.Resource) && b.Node == n.Name && !b.PromotedOnly {
			return fmt.Sprintf("the constraint %s keeps it off %s", b.ID, n.Name)
		}
	}
	if cibxml.IsFalse(x.cib.property("symmetric-cluster")) && !x.isAllowed(r, n.Name) {
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
	return slices.ContainsFunc(x.constraints.Descendants("rsc_location"), func(e *cibxml.Element) bool {
		return x.means(e, r) && (e.Attr("node") == node || e.Child("rule") != nil) && !strings.HasPrefix(e.Attr("score"), "-")
	})
}

// means reports whether a constraint names a resource, one of its containers, or a set
// with one of them.
func (x explainer) means(e *cibxml.Element, r cluster.Resource) bool {
	list := x.ids(r)
	return slices.Contains(list, e.Attr("rsc")) || slices.ContainsFunc(e.Descendants("resource_ref"), func(ref *cibxml.Element) bool {
		return slices.Contains(list, ref.Attr("id"))
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

// unmanaged says why Pacemaker does not manage a resource; empty: unknown.
func (x explainer) unmanaged(r cluster.Resource) string {
	resources := x.cib.section("resources")
	for _, id := range names(r) {
		e := resources.ByID(id)
		if e == nil {
			continue
		}
		meta := config.PairsIn(resources, e, "meta_attributes")
		if e.Name == "primitive" {
			meta = config.Inherited(resources, e, "meta_attributes")
		}
		switch {
		case cibxml.IsTrue(meta["maintenance"]):
			return id + " is in maintenance"
		case cibxml.IsFalse(meta["is-managed"]):
			return "is-managed of " + id + " is false"
		}
	}
	switch {
	case x.v.Maintenance:
		return "the cluster is in maintenance"
	case cibxml.IsFalse(x.cib.property("is-managed-default")):
		return "is-managed-default is false"
	}
	for _, n := range x.v.Nodes {
		if n.State == "maintenance" && slices.Contains(r.Nodes(), n.Name) {
			return "node " + n.Name + " is in maintenance"
		}
	}
	for _, name := range []string{"maintenance", "is-managed"} {
		if value := x.cib.section("rsc_defaults").Pair("meta_attributes", name); name == "maintenance" && cibxml.IsTrue(value) || name == "is-managed" && cibxml.IsFalse(value) {
			return "the default of " + name + " is " + value
		}
	}
	return ""
}
