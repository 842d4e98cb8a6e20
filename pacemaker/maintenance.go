package pacemaker

import (
	"slices"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// maintenance sets maintenance of the node or resource of the action, or of the whole
// cluster. An empty value takes back what was set so, and nothing that keeps the node or
// resource in maintenance otherwise.
func maintenance(cib *CIB, a cluster.Action, value string) []call {
	var out []call
	if a.Node != "" {
		out = append(out, attribute(a.Node, "maintenance", value))
	}
	if a.Resource != "" {
		out = append(out, maintenanceOf(cib.section("resources"), a.Resource, value)...)
	}
	if a.Node == "" && a.Resource == "" {
		out = append(out, call{tool: "crm_attribute", args: withValue([]string{"-t", "crm_config", "-n", "maintenance-mode"}, "-D", value)})
	}
	return out
}

// maintenanceOf sets or removes the meta attribute of one resource. Its instances share
// that of their clone. The id of the pair keeps crm_resource from changing those in the
// resource as well.
func maintenanceOf(resources *cibxml.Element, id, value string) []call {
	for _, clone := range resources.Descendants("clone") {
		if slices.ContainsFunc(clone.Children, func(e *cibxml.Element) bool { return e.Attr("id") == id }) {
			id = clone.Attr("id")
		}
	}
	args := []string{"-r", id, "--meta"}
	var own []string // ids of the pairs
	if e := resources.ByID(id); e != nil {
		for _, set := range e.Children {
			for _, p := range set.Children {
				if set.Name == "meta_attributes" && p.Attr("name") == "maintenance" {
					own = append(own, p.Attr("id"))
				}
			}
		}
	}
	if value != "" {
		own = append(own, id+"-meta_attributes-maintenance")[:1]
	}
	out := make([]call, 0, len(own))
	for _, pair := range own {
		change := []string{"-p", "maintenance", "-v", value}
		if value == "" {
			change = []string{"-d", "maintenance"}
		}
		out = append(out, call{tool: "crm_resource", args: slices.Concat(args, change, []string{"-i", pair})})
	}
	return out
}
