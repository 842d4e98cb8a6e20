package pacemaker

import (
	"context"
	"encoding/xml"
	"slices"
	"strings"

	"thalassa/cluster"
)

// maxUnexplained limits for how many resources crm_resource is asked.
const maxUnexplained = 5

// unexplained are the resources that do not run, for no reason that the status has.
func unexplained(v cluster.Status) []string {
	var out []string
	for _, r := range v.Resources {
		if r.State == "stopped" && r.Managed && len(r.Why) == 0 {
			out = append(out, r.ID)
		}
	}
	return out
}

// schedulerSays returns sentences about resources in a CIB from crm_resource --why and the
// scheduler's scores. Tools that fail say nothing.
func (t *tools) schedulerSays(ctx context.Context, cib *CIB, resources []string) map[string][]string {
	out := map[string][]string{}
	_ = withFile(cib.data, func(path string) error { // what it cannot write is not explained
		for _, r := range resources[:min(len(resources), maxUnexplained)] {
			out[r] = append(out[r], t.whyStopped(ctx, path, r)...)
		}
		for r, list := range t.scores(ctx, cib, path, resources) {
			out[r] = append(out[r], list...)
		}
		return nil
	})
	constraints := cib.section("constraints")
	for _, r := range resources {
		x := explainer{v: &cluster.Status{}, cib: cib, constraints: constraints}
		out[r] = append(out[r], x.rules(r)...)
	}
	return out
}

// whyXML is the part of the output of crm_resource --why that is used.
type whyXML struct {
	Checks []struct {
		ID        string `xml:"id,attr"`
		LockedTo  string `xml:"locked-to,attr"`
		Unhealthy bool   `xml:"unhealthy,attr"`
	} `xml:"reason>check"`
}

// whyStopped asks crm_resource why a resource does not run.
func (t *tools) whyStopped(ctx context.Context, path, resource string) []string {
	var w whyXML
	out, err := t.run(ctx, call{tool: "crm_resource", args: []string{"--why", "-r", resource}, file: path, within: lookWithin})
	if err != nil || xml.Unmarshal(out, &w) != nil {
		return nil
	}
	var why []string
	for _, c := range w.Checks {
		if c.LockedTo != "" {
			why = append(why, "it is locked to "+c.LockedTo+" until that node returns (shutdown-lock)")
		}
		if c.Unhealthy {
			why = append(why, "the health of the nodes does not allow it (node-health-strategy)")
		}
	}
	return why
}

// scoresXML is the part of the output of crm_simulate that has scores. Those of the last
// step of the scheduler come last.
type scoresXML struct {
	Scores []struct {
		Function string `xml:"function,attr"`
		Resource string `xml:"id,attr"`
		Node     string `xml:"node,attr"`
		Score    string `xml:"score,attr"`
	} `xml:"allocations>node_weight"`
}

// scores says which nodes have a negative score for each of the resources: none of these
// may run it.
func (t *tools) scores(ctx context.Context, cib *CIB, path string, resources []string) map[string][]string {
	var s scoresXML
	out, err := t.run(ctx, call{tool: "crm_simulate", args: []string{"-x", path, "-R", "-s"}, file: path, within: cib.schedulerTime(lookWithin)})
	if err != nil || xml.Unmarshal(out, &s) != nil {
		return nil
	}
	return s.sentences(resources)
}

// sentences are about the scores of resources, one for each node with a negative score.
func (s scoresXML) sentences(resources []string) map[string][]string {
	type place struct{ resource, node string }
	last := map[place]string{}
	var order []place
	for _, w := range s.Scores {
		p := place{base(w.Resource), w.Node}
		if !slices.Contains(resources, p.resource) {
			continue
		}
		if _, known := last[p]; !known {
			order = append(order, p)
		}
		last[p] = w.Score
	}
	why := map[string][]string{}
	for _, p := range order {
		if score := last[p]; strings.HasPrefix(score, "-") {
			why[p.resource] = append(why[p.resource], "its score on "+p.node+" is "+score)
		}
	}
	return why
}

// rules names the location constraints of a resource that decide by rules, which may
// be why a score is negative.
func (x explainer) rules(id string) []string {
	var why []string
	resources := x.cib.section("resources")
	list := []string{id}
	for _, e := range slices.Concat(resources.Descendants("group"), resources.Descendants("clone"), resources.Descendants("bundle")) {
		if e.ByID(id) != nil {
			list = append(list, e.Attr("id"))
		}
	}
	r := cluster.Resource{ID: id, Containers: list[1:]}
	for _, e := range x.constraints.Descendants("rsc_location") {
		if e.Child("rule") != nil && x.means(e, r) {
			why = append(why, "the constraint "+e.Attr("id")+" decides by rules where it may run")
		}
	}
	return why
}
