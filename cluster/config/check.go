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
	checkRequired(&fe, "", o, requirements(c.Kind))
	checkParts(&fe, "", shapeOf(c.Kind), o)
	c.checkScores(&fe, o)
	return fe.Err()
}

// checkRequired reports the fields that an object at a path lacks.
func checkRequired(fe *lb.FieldErrors, path string, o *Object, required []requirement) {
	has := func(field string) bool {
		return o.Attributes[field] != "" || len(o.Refs[field]) > 0 || len(o.Lists[field]) > 0 || len(o.Extra) > 0 && field != "agent"
	}
	for _, r := range required {
		if !slices.ContainsFunc(strings.Split(r.fields, "|"), has) {
			field, _, _ := strings.Cut(r.fields, "|")
			fe.Add(join(path, field), "is missing", r.expected)
		}
	}
}

// checkParts reports the fields that the parts of an object lack, and theirs.
func checkParts(fe *lb.FieldErrors, path string, s *shape, o *Object) {
	for _, f := range s.allLists() {
		for i := range o.Lists[f.name] {
			at := join(path, f.name)
			if !f.single {
				at = fmt.Sprintf("%s[%d]", at, i)
			}
			part := &o.Lists[f.name][i]
			checkRequired(fe, at, part, partRequirements(f.name, part.element(f.shape)))
			if f.name == "ops" && part.Attributes["name"] == monitor {
				checkRequired(fe, at, part, []requirement{{"interval", "the time between two checks, such as 10s"}})
			}
			checkParts(fe, at, f.shape, part)
		}
	}
}

// partRequirements are those of the parts of a field, by the name of their element.
func partRequirements(field, element string) []requirement {
	switch {
	case field == "ops":
		return []requirement{{"name", "the name of an operation such as monitor"}}
	case field == "sets":
		return []requirement{{"resources|id-ref", "the ids of resources"}}
	case element == "rule":
		return []requirement{{"expressions|id-ref", "a list of expressions"}}
	case element == "expression":
		return []requirement{{"attribute", "the name of a node attribute such as #uname"}, {"operation", "a comparison such as eq"}}
	case element == "op_expression":
		return []requirement{{"name", "the name of an operation such as monitor"}}
	case field == "container":
		return []requirement{{"image", "the name of an image"}}
	case field == "ports":
		return []requirement{{"port|range", "a port, or a range of them"}}
	case field == "storage":
		return []requirement{{"source-dir|source-dir-root", "the path of a folder on the nodes"}, {"target-dir", "the path of a folder in the container"}}
	case field == "recipients":
		return []requirement{{"value", "who is told, in words that the program knows"}}
	case field == "permissions":
		return []requirement{{"kind", "read, write or deny"}, {"xpath|reference|object-type", "what it is about"}}
	}
	return nil
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
