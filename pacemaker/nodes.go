package pacemaker

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// onlyOnNodes returns constraints that keep the resources off all nodes but those of
// Nodes, also off nodes that join later. Pacemaker does not even look for the resources
// there: the resource agents may not be installed.
func (d Description) onlyOnNodes() []*cibxml.Element {
	out := d.onlyOn(d.home())
	if d.Topology == Clone {
		out = append(out, d.onlyOn(d.cloneID())...)
	}
	return out
}

// onlyOn is the constraint of onlyOnNodes for one resource.
func (d Description) onlyOn(resource string) []*cibxml.Element {
	if len(d.Nodes) == 0 {
		return nil
	}
	id := d.Name + "-thalassa-nodes-" + resource
	rule := cibxml.New("rule", "id", id+"-rule", "score", "-INFINITY", "boolean-op", "and")
	for _, node := range d.Nodes {
		rule.Add(cibxml.New("expression", "id", id+"-"+node, "attribute", "#uname", "operation", "ne", "value", node))
	}
	return []*cibxml.Element{cibxml.New("rsc_location", "id", id, "rsc", resource, "resource-discovery", "never").Add(rule)}
}

// checkNodes refuses nodes that the cluster does not have, and preferred nodes that may
// not run HAProxy. The error is an *lb.InvalidError.
func checkNodes(d Description, cib *CIB) error {
	if len(d.Nodes) == 0 {
		return nil
	}
	known := cib.nodeNames()
	var bad []lb.FieldError
	for _, name := range d.Nodes {
		if !slices.Contains(known, name) {
			bad = append(bad, lb.FieldError{Path: "nodes", Problem: strconv.Quote(name) + " is not a node of the cluster", Expected: "some of " + strings.Join(known, ", ")})
		}
	}
	for _, name := range d.Prefer {
		if !slices.Contains(d.Nodes, name) {
			bad = append(bad, lb.FieldError{Path: "prefer", Problem: strconv.Quote(name) + " is not among nodes", Expected: "some of " + strings.Join(d.Nodes, ", ")})
		}
	}
	if len(bad) > 0 {
		return &lb.InvalidError{Fields: bad}
	}
	return nil
}

// nodeNames lists the nodes in the configuration.
func (c *CIB) nodeNames() []string {
	list := c.root.Child("configuration", "nodes").Descendants("node")
	out := make([]string, 0, len(list))
	for _, n := range list {
		out = append(out, n.Attr("uname"))
	}
	return out
}

// allocationsXML is the part of crm_simulate's output with the scores of resources.
type allocationsXML struct {
	Scores []struct {
		Resource string `xml:"id,attr"`
		Node     string `xml:"node,attr"`
		Score    string `xml:"score,attr"`
	} `xml:"allocations>node_weight"`
}

// mayRun returns the nodes on which a resource may run when they are in good order, as
// the scheduler decides it from all constraints: standby, maintenance and failures do
// not count. nil: the scheduler does not know the resource.
func (t *tools) mayRun(ctx context.Context, cib *CIB, resource string) ([]string, error) {
	in := cib.inGoodOrder()
	var scores allocationsXML
	err := withFile(in.data, func(path string) error {
		out, err := t.run(ctx, call{tool: "crm_simulate", args: []string{"-x", path, "-S", "-s"}, file: path, within: cib.schedulerTime(t.cfg.Timeout)})
		if err != nil {
			return err
		}
		return xml.Unmarshal(out, &scores)
	})
	if err != nil {
		return nil, fmt.Errorf("asking for the scores of nodes: %w", err)
	}
	var nodes []string
	outermost := cib.outermost(resource)
	for _, s := range scores.Scores {
		if s.Resource == outermost && s.Score != "-INFINITY" && !slices.Contains(nodes, s.Node) {
			nodes = append(nodes, s.Node)
		}
	}
	return nodes, nil
}

// outermost is the clone, group or bundle of a resource, or the resource itself.
func (c *CIB) outermost(resource string) string {
	for _, top := range c.root.Child("configuration", "resources").Elements() {
		if top.Attr("id") == resource || top.ByID(resource) != nil {
			return top.Attr("id")
		}
	}
	return resource
}

// inGoodOrder returns the CIB with all nodes in service, and without failures.
func (c *CIB) inGoodOrder() *CIB {
	root := c.root.Clone()
	off := func(e *cibxml.Element) bool {
		return e.Name == "nvpair" && (e.Attr("name") == "standby" || e.Attr("name") == "maintenance")
	}
	if nodes := root.Child("configuration", "nodes"); nodes != nil {
		nodes.Remove(off)
	}
	for _, state := range root.Child("status").Descendants("node_state") {
		state.Remove(func(e *cibxml.Element) bool {
			_, failure := failureOf(e.Attr("name"))
			return off(e) || e.Name == "nvpair" && failure
		})
		for _, r := range state.Descendants("lrm_resource") {
			r.Remove(hasFailed)
		}
	}
	return &CIB{Epoch: c.Epoch, root: root, data: root.Bytes()}
}
