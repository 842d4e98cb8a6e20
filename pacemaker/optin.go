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
		if r.ID != d.Name && !slices.Contains(r.Containers, d.cloneID()) && !slices.Contains(r.Containers, d.groupID()) && r.ID != d.vip(0) {
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

// optIn returns the constraints that allow HAProxy of a Clone on the nodes of Prefer and
// Nodes, in an opt-in cluster.
func optIn(d Description, configuration *cibxml.Element) []*cibxml.Element {
	symmetric := (&CIB{root: cibxml.New("cib").Add(configuration)}).property("symmetric-cluster")
	if d.Topology != Clone || !cibxml.IsFalse(symmetric) {
		return nil
	}
	var out []*cibxml.Element
	allowed := slices.Concat(d.Prefer, d.Nodes)
	for i, node := range allowed {
		if slices.Contains(allowed[:i], node) {
			continue
		}
		out = append(out, cibxml.New("rsc_location", "id", d.Name+"-thalassa-allows-"+node, "rsc", d.cloneID(), "node", node, "score", "0"))
	}
	return out
}

// isAllowedSomewhere reports whether a location constraint allows a resource on a node.
func (x explainer) isAllowedSomewhere(r cluster.Resource) bool {
	return slices.ContainsFunc(x.v.Nodes, func(n cluster.Node) bool { return x.isAllowed(r, n.Name) })
}
