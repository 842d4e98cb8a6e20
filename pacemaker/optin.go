package pacemaker

import (
	"slices"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// placed refuses a plan for an opt-in cluster (symmetric-cluster=false) in which no
// constraint allows a resource of the Description anywhere. The error is an
// *lb.ConflictError.
func placed(d Description, predicted cluster.Status, cib *CIB) error {
	if !cibxml.IsFalse(cib.property("symmetric-cluster")) {
		return nil
	}
	x := explainer{v: &predicted, cib: cib, constraints: cib.section("constraints")}
	for _, r := range predicted.Resources {
		if !isPlaced(d, r) {
			continue
		}
		if len(r.Places) == 0 && r.State != "disabled" && !x.isAllowedSomewhere(r) {
			return &lb.ConflictError{
				ID:     "resource/" + r.ID,
				Reason: "no constraint allows it on any node, and the cluster is opt-in (symmetric-cluster=false); name nodes with --prefer, or allow them with location constraints",
			}
		}
	}
	return nil
}

// isPlaced reports whether a resource of the Description has to be allowed somewhere.
func isPlaced(d Description, r cluster.Resource) bool {
	if slices.Contains([]string{d.Name, d.vip(0), endpoint{d}.agent(), endpoint{d}.address()}, r.ID) {
		return true
	}
	return slices.Contains(r.Containers, d.cloneID()) || slices.Contains(r.Containers, d.groupID())
}

// optIn returns the constraints that allow HAProxy of a Clone, and the management endpoint,
// on the nodes of Prefer and Nodes, in an opt-in cluster.
func optIn(d Description, configuration *cibxml.Element) []*cibxml.Element {
	symmetric := (&CIB{root: cibxml.New("cib").Add(configuration)}).property("symmetric-cluster")
	if !cibxml.IsFalse(symmetric) {
		return nil
	}
	var out []*cibxml.Element
	allowed := slices.Concat(d.Prefer, d.Nodes)
	for i, node := range allowed {
		if slices.Contains(allowed[:i], node) {
			continue
		}
		allow := func(id, resource string) {
			out = append(out, cibxml.New("rsc_location", "id", d.Name+"-thalassa-"+id+"-"+node, "rsc", resource, "node", node, "score", "0"))
		}
		if d.Topology == Clone {
			allow("allows", d.cloneID())
		}
		if d.Manage.IsValid() {
			allow("allows-agent", endpoint{d}.clone())
			allow("allows-manage", endpoint{d}.address())
		}
	}
	return out
}

// isAllowedSomewhere reports whether a location constraint allows a resource on a node.
func (x explainer) isAllowedSomewhere(r cluster.Resource) bool {
	return slices.ContainsFunc(x.v.Nodes, func(n cluster.Node) bool { return x.isAllowed(r, n.Name) })
}
