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
	if c.Kind != Nodes && c.Kind != Targets && c.Kind != ACLGroups && !IsID(o.ID) {
		fe.Add("id", fmt.Sprintf("is %q", o.ID), "letters, digits and . _ - beginning with a letter or _")
	}
	if taken := c.configuration.ByID(o.ID); c.old == nil && taken != nil && c.Kind != Nodes && taken.Name != "node" {
		return &lb.ConflictError{ID: c.name(), Reason: "this id is taken by " + taken.Name + " " + o.ID}
	}
	has := func(field string) bool {
		return o.Attributes[field] != "" || len(o.Refs[field]) > 0 || len(o.Lists[field]) > 0 || len(o.Extra) > 0 && field != "agent"
	}
	for _, r := range requirements(c.Kind) {
		if !slices.ContainsFunc(strings.Split(r.fields, "|"), has) {
			field, _, _ := strings.Cut(r.fields, "|")
			fe.Add(field, "is missing", r.expected)
		}
	}
	c.checkScores(&fe, o)
	return fe.Err()
}

// A requirement names fields, with |, of which an object has one.
type requirement struct{ fields, expected string }

func requirements(k Kind) []requirement {
	const resource = "the id of a resource"
	switch k {
	case Primitives:
		return []requirement{{"agent|class|template", "an agent such as ocf:heartbeat:IPaddr2, or a template"}}
	case Templates:
		return []requirement{{"agent|class", "an agent such as ocf:heartbeat:IPaddr2"}}
	case Groups:
		return []requirement{{"members", "the ids of the primitives of the group, in their order"}}
	case Clones:
		return []requirement{{"member", "the id of a primitive or group"}}
	case Bundles:
		return []requirement{{"container", "an object with image"}}
	case Locations:
		return []requirement{
			{"rsc|rsc-pattern|sets", resource},
			{"node|rules", "the name of a node, or rules"},
			{"score|resource-discovery|rules", "a score such as 100 or -INFINITY"},
		}
	case Colocations:
		return []requirement{{"rsc|sets", resource}, {"with-rsc|sets", resource}}
	case Orders:
		return []requirement{{"first|sets", resource}, {"then|sets", resource}}
	case Tickets:
		return []requirement{{"ticket", "the name of a ticket"}, {"rsc|sets", resource}}
	case Tags:
		return []requirement{{"objects", "the ids of the objects that have the tag"}}
	case Alerts:
		return []requirement{{"path", "the path of a program"}}
	case FencingLevels:
		return []requirement{
			{"target|target-pattern|target-attribute", "the name of a node"},
			{"index", "a number from 1 to 9"},
			{"devices", "the ids of fence devices, with commas"},
		}
	case Roles:
		return []requirement{{"permissions", "a list of objects with kind and one of xpath, reference and object-type"}}
	case Nodes, Targets, ACLGroups, Properties, ResourceDefaults, OperationDefaults:
	}
	return nil
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
