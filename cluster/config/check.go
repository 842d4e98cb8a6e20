package config

import (
	"fmt"
	"slices"
	"strings"

	"thalassa/lb"
)

// check reports what an object lacks, and values that Pacemaker could not use.
func (c *change) check(o *Object) error {
	var fe lb.FieldErrors
	if c.Kind != Nodes && c.Kind != Targets && c.Kind != ACLGroups && !isID(o.ID) {
		fe.Add("id", fmt.Sprintf("is %q", o.ID), "letters, digits and . _ - beginning with a letter or _")
	}
	if taken := c.configuration.ByID(o.ID); c.old == nil && taken != nil && c.Kind != Nodes && taken.Name != "node" {
		return &lb.ConflictError{ID: c.name(), Reason: "this id is taken by " + taken.Name + " " + o.ID}
	}
	a, has := o.Attributes, func(field string) bool {
		return o.Attributes[field] != "" || len(o.Refs[field]) > 0 || len(o.Lists[field]) > 0 || len(o.Extra) > 0 && field != "agent"
	}
	needs := func(fields string, expected string) {
		names := strings.Split(fields, "|")
		if !slices.ContainsFunc(names, has) {
			fe.Add(names[0], "is missing", expected)
		}
	}
	switch c.Kind {
	case Primitives:
		if a["template"] == "" && a["class"] == "" {
			needs("agent", "an agent such as ocf:heartbeat:IPaddr2, or a template")
		}
	case Templates:
		if a["class"] == "" {
			needs("agent", "an agent such as ocf:heartbeat:IPaddr2")
		}
	case Groups:
		needs("members", "the ids of the primitives of the group, in their order")
	case Clones:
		needs("member", "the id of a primitive or group")
	case Bundles:
		needs("container", "an object with image")
	case Locations:
		needs("rsc|rsc-pattern|sets", "the id of a resource")
		if !has("rules") {
			needs("node", "the name of a node, or rules")
			needs("score|resource-discovery", "a score such as 100 or -INFINITY")
		}
	case Colocations:
		if !has("sets") {
			needs("rsc", "the id of a resource")
			needs("with-rsc", "the id of a resource")
		}
	case Orders:
		if !has("sets") {
			needs("first", "the id of a resource")
			needs("then", "the id of a resource")
		}
	case Tickets:
		needs("ticket", "the name of a ticket")
		needs("rsc|sets", "the id of a resource")
	case Tags:
		needs("objects", "the ids of the objects that have the tag")
	case Alerts:
		needs("path", "the path of a program")
	case FencingLevels:
		needs("target|target-pattern|target-attribute", "the name of a node")
		needs("index", "a number from 1 to 9")
		needs("devices", "the ids of fence devices, with commas")
	case Roles:
		needs("permissions", "a list of objects with kind and one of xpath, reference and object-type")
	case Nodes, Targets, ACLGroups, Properties, ResourceDefaults, OperationDefaults:
	}
	c.checkScores(&fe, o)
	return fe.Err()
}

// checkScores reports scores that are none.
func (c *change) checkScores(fe *lb.FieldErrors, o *Object) {
	if score, ok := o.Attributes["score"]; ok && !isScore(score) {
		fe.Add("score", fmt.Sprintf("is %q", score), "a number up to 1000000, INFINITY or -INFINITY")
	}
}

// isScore reports whether Pacemaker reads a text as a score (char2score). The words are
// those of node health.
func isScore(text string) bool {
	text = strings.TrimLeft(text, "+-")
	if strings.EqualFold(text, "infinity") || slices.Contains([]string{"red", "yellow", "green"}, text) {
		return true
	}
	return text != "" && len(text) < 19 && strings.Trim(text, "0123456789") == ""
}
