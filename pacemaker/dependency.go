package pacemaker

import (
	"slices"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// A dependency is a resource that another one needs, and that does not run.
type dependency struct {
	id         string // of a primitive or of what contains some
	constraint string // empty: it is before it in its group
}

// String says what the dependency keeps from running.
func (d dependency) String() string {
	because := ""
	if d.constraint != "" {
		because = " (constraint " + d.constraint + ")"
	}
	return d.id + ", which it needs, does not run" + because
}

// dependencies are the resources that do not run and that a resource needs: members of its
// group before it, and those of its constraints.
func (x explainer) dependencies(r cluster.Resource) []dependency {
	var out []dependency
	need := func(id, constraint string) {
		if d := (dependency{id, constraint}); id != "" && !x.runs(id) && !slices.Contains(out, d) {
			out = append(out, d)
		}
	}
	resources := x.cib.section("resources")
	for _, id := range r.Containers {
		group := resources.ByID(id)
		if group == nil || group.Name != "group" || cibxml.IsFalse(group.Pair("meta_attributes", "ordered")) {
			continue
		}
		for _, p := range group.Descendants("primitive") {
			if p.Attr("id") == r.ID {
				break
			}
			need(p.Attr("id"), "")
		}
	}
	for _, e := range slices.Concat(x.constraints.Descendants("rsc_colocation"), x.constraints.Descendants("rsc_order")) {
		needed, dependent := e.Attr("with-rsc"), e.Attr("rsc")
		switch {
		case e.Name == "rsc_order" && (e.Attr("kind") == "Optional" || e.Attr("score") == "0"):
			continue
		case e.Name == "rsc_order":
			needed, dependent = e.Attr("first"), e.Attr("then")
		case e.Attr("score") != "INFINITY" && e.Attr("score") != "":
			continue
		}
		if slices.Contains(x.ids(r), dependent) {
			need(needed, e.Attr("id"))
		}
	}
	return out
}

// runs reports whether a resource, or every one in a container, runs somewhere.
func (x explainer) runs(id string) bool {
	return !slices.ContainsFunc(x.meant(id), func(r cluster.Resource) bool { return len(r.Places) == 0 })
}

// withheld are the resources that an operator or a ticket keeps from running, or as they
// are: themselves, or one that they need.
func (x explainer) withheld() map[string]bool {
	out := map[string]bool{}
	for _, r := range x.v.Resources {
		switch {
		case r.State == "disabled", x.v.StopAll && len(r.Places) == 0,
			r.State == "stopped" && len(x.tickets(r)) > 0,
			r.State == "blocked" && len(x.frozen(r)) > 0 && len(x.failures(r)) == 0:
			out[r.ID] = true
		}
	}
	for known := -1; known < len(out); {
		known = len(out)
		for _, r := range x.v.Resources {
			if r.State == "stopped" && slices.ContainsFunc(x.dependencies(r), func(d dependency) bool { return x.isWithheld(d.id, out) }) {
				out[r.ID] = true
			}
		}
	}
	return out
}

// isWithheld reports whether each resource in a container that does not run is withheld.
func (x explainer) isWithheld(id string, withheld map[string]bool) bool {
	some := false
	for _, r := range x.meant(id) {
		if len(r.Places) == 0 && !withheld[r.ID] {
			return false
		}
		some = some || len(r.Places) == 0
	}
	return some
}
