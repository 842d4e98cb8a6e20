package pacemaker

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"maps"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// maxSteps bounds how many steps of a transition are shown.
const maxSteps = 20000

// A transitionXML is the graph that crm_simulate writes with -G. Each synapse has one action
// and the actions that it waits for.
type transitionXML struct {
	Synapses []struct {
		Action struct {
			List []stepXML `xml:",any"`
		} `xml:"action_set"`
		Triggers []struct {
			List []stepXML `xml:",any"`
		} `xml:"inputs>trigger"`
	} `xml:"synapse"`
}

// A stepXML is an rsc_op, a crm_event or a pseudo_event.
type stepXML struct {
	XMLName   xml.Name
	ID        int    `xml:"id,attr"`
	Operation string `xml:"operation,attr"`
	Key       string `xml:"operation_key,attr"`
	Node      string `xml:"on_node,attr"`
	Resource  struct {
		ID   string `xml:"id,attr"`
		Long string `xml:"long-id,attr"`
	} `xml:"primitive"`
	Attributes struct {
		List []xml.Attr `xml:",any,attr"`
	} `xml:"attributes"`
}

// readGraph reads a transition, without secrets: it has parameters in clear, as attributes.
func readGraph(data []byte) (cluster.Graph, error) {
	var t transitionXML
	if err := xml.Unmarshal(data, &t); err != nil {
		return cluster.Graph{}, fmt.Errorf("reading the transition: %w", err)
	}
	g := cluster.Graph{Steps: []cluster.Step{}, Edges: []cluster.Edge{}}
	if len(t.Synapses) > maxSteps {
		return g, &cluster.Error{Tool: "crm_simulate", Kind: cluster.KindFailed, Said: fmt.Sprintf("the transition has %d steps, and %d at most are shown", len(t.Synapses), maxSteps)}
	}
	for _, s := range t.Synapses {
		for _, action := range s.Action.List {
			g.Steps = append(g.Steps, action.step())
			for _, trigger := range s.Triggers {
				for _, input := range trigger.List {
					g.Edges = append(g.Edges, cluster.Edge{From: input.ID, To: action.ID})
				}
			}
		}
	}
	slices.SortFunc(g.Steps, func(a, b cluster.Step) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(g.Edges, func(a, b cluster.Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To)) })
	g.Edges = slices.Compact(g.Edges)
	arrange(&g)
	return g, nil
}

func (x stepXML) step() cluster.Step {
	out := cluster.Step{ID: x.ID, Operation: x.Operation, Resource: base(x.Resource.ID), Node: x.Node, Params: map[string]string{}, Meta: map[string]string{}}
	switch x.XMLName.Local {
	case "rsc_op":
		out.Kind = cluster.StepOperation
	case "pseudo_event":
		out.Kind = cluster.StepPseudo
	default:
		out.Kind = cluster.StepCluster
		if x.Operation == "stonith" {
			out.Kind = cluster.StepFence
		}
	}
	for _, a := range x.Attributes.List {
		if name, isMeta := strings.CutPrefix(a.Name.Local, "CRM_meta_"); isMeta {
			if !strings.HasPrefix(name, "on_node") { // Node has it
				out.Meta[strings.ReplaceAll(name, "_", "-")] = a.Value
			}
		} else if a.Name.Local != "crm_feature_set" {
			out.Params[a.Name.Local] = a.Value
		}
	}
	out.Interval = number(out.Meta["interval"])
	if out.Resource == "" && out.Kind == cluster.StepPseudo { // clone-name_running_0
		out.Resource = strings.TrimSuffix(x.Key, "_"+x.Operation+"_0")
	}
	if out.Resource == x.Key || out.Kind == cluster.StepPseudo && out.Resource == out.Operation {
		out.Resource = ""
	}
	cibxml.ShownPairs("instance_attributes", out.Params)
	cibxml.ShownPairs("meta_attributes", out.Meta)
	return out
}

// arrange sets the order of the steps, and the depth and width of the graph.
func arrange(g *cluster.Graph) {
	index := make(map[int]int, len(g.Steps))
	for i, s := range g.Steps {
		index[s.ID] = i
	}
	g.Edges = slices.DeleteFunc(g.Edges, func(e cluster.Edge) bool {
		_, from := index[e.From]
		_, to := index[e.To]
		return !from || !to
	})
	after, waits := make([][]int, len(g.Steps)), make([]int, len(g.Steps))
	for _, e := range g.Edges {
		after[index[e.From]] = append(after[index[e.From]], index[e.To])
		waits[index[e.To]]++
	}
	var ready []int
	for i := range g.Steps {
		if waits[i] == 0 {
			ready = append(ready, i)
		}
	}
	reached := make([]int, len(g.Steps)) // the greatest order of what a step waits for
	width := map[int]int{}
	for len(ready) > 0 {
		i := ready[0]
		ready = ready[1:]
		s := &g.Steps[i]
		s.Order = reached[i]
		if s.Kind != cluster.StepPseudo {
			s.Order++
			width[s.Order]++
			g.Depth = max(g.Depth, s.Order)
		}
		for _, next := range after[i] {
			reached[next] = max(reached[next], s.Order)
			if waits[next]--; waits[next] == 0 {
				ready = append(ready, next)
			}
		}
	}
	for _, n := range slices.Collect(maps.Values(width)) {
		g.Width = max(g.Width, n)
	}
}
