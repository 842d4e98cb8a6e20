package config

import (
	"slices"
	"strings"
)

// A Kind is a kind of configuration objects, as in the paths of the API.
type Kind string

// The kinds.
const (
	Nodes             Kind = "nodes"
	Primitives        Kind = "primitives"
	Templates         Kind = "templates"
	Groups            Kind = "groups"
	Clones            Kind = "clones"
	Bundles           Kind = "bundles"
	Locations         Kind = "locations"
	Colocations       Kind = "colocations"
	Orders            Kind = "orders"
	Tickets           Kind = "tickets"
	Tags              Kind = "tags"
	Alerts            Kind = "alerts"
	FencingLevels     Kind = "fencing"
	Roles             Kind = "roles"
	Targets           Kind = "targets"
	ACLGroups         Kind = "acl-groups"
	Properties        Kind = "properties"
	ResourceDefaults  Kind = "resource-defaults"
	OperationDefaults Kind = "operation-defaults"
)

// Kinds lists the kinds, in the order of the CIB.
func Kinds() []Kind {
	return []Kind{
		Properties, Nodes, Primitives, Templates, Groups, Clones, Bundles, Locations, Colocations, Orders, Tickets,
		FencingLevels, Roles, Targets, ACLGroups, Tags, Alerts, ResourceDefaults, OperationDefaults,
	}
}

// Valid reports whether k is one of Kinds.
func (k Kind) Valid() bool { return slices.Contains(Kinds(), k) }

// IsResource reports whether the objects of a kind are resources, whose ids are unique
// among all of them.
func (k Kind) IsResource() bool {
	return slices.Contains([]Kind{Primitives, Groups, Clones, Bundles}, k)
}

// section is the path of the part of the configuration that has the objects.
func (k Kind) section() string {
	switch k {
	case Nodes:
		return "nodes"
	case Primitives, Templates, Groups, Clones, Bundles:
		return "resources"
	case Locations, Colocations, Orders, Tickets:
		return "constraints"
	case Tags:
		return "tags"
	case Alerts:
		return "alerts"
	case FencingLevels:
		return "fencing-topology"
	case Roles, Targets, ACLGroups:
		return "acls"
	case Properties:
		return "crm_config"
	case ResourceDefaults:
		return "rsc_defaults"
	case OperationDefaults:
		return "op_defaults"
	}
	return ""
}

// A shape says which fields an element has as an Object.
type shape struct {
	// elements are the names that it may have; the first is the usual one.
	elements []string
	// attributes are those that Pacemaker knows, except id.
	attributes []string
	// hasAgent: class, provider and type are one field, agent.
	hasAgent bool
	// values are the fields that hold sets of name-value pairs.
	values []valuesField
	// lists are the fields that hold Objects.
	lists []listField
	// refs are the fields that hold ids.
	refs []refsField
}

// A valuesField has the values of a plain set: of element, or of the element itself if
// that is empty. Sets that are not plain are in the field with the ending "Sets".
type valuesField struct{ name, element string }

// sets is the field for those that are not plain.
func (f valuesField) sets() string { return strings.TrimSuffix(f.name, "s") + "Sets" }

// A listField has Objects of a shape, which may be inside an element of their own. single:
// there is at most one, and it is no list in JSON.
type listField struct {
	name, inside string
	single       bool
	shape        *shape
}

// A refsField has the ids of elements that have nothing else, or, for members, of resources
// that are inside. single: there is one, and it is no list in JSON.
type refsField struct {
	name     string
	elements []string
	single   bool
	members  bool
}

// elements are the names of the elements of a kind; the first is the usual one.
func (k Kind) elements() []string {
	switch k {
	case Nodes:
		return []string{"node"}
	case Primitives:
		return []string{"primitive"}
	case Templates:
		return []string{"template"}
	case Groups:
		return []string{"group"}
	case Clones:
		return []string{"clone", "master"}
	case Bundles:
		return []string{"bundle"}
	case Locations:
		return []string{"rsc_location"}
	case Colocations:
		return []string{"rsc_colocation"}
	case Orders:
		return []string{"rsc_order"}
	case Tickets:
		return []string{"rsc_ticket"}
	case Tags:
		return []string{"tag"}
	case Alerts:
		return []string{"alert"}
	case FencingLevels:
		return []string{"fencing-level"}
	case Roles:
		return []string{"acl_role"}
	case Targets:
		return []string{"acl_target"}
	case ACLGroups:
		return []string{"acl_group"}
	case Properties:
		return []string{"cluster_property_set"}
	case ResourceDefaults, OperationDefaults:
		return []string{"meta_attributes"}
	}
	return nil
}

// shapeOf is the shape of a kind.
func shapeOf(k Kind) *shape {
	s := fieldsOf(k)
	if s != nil {
		s.elements = k.elements()
	}
	return s
}

// fieldsOf is the shape of a kind without the names of its elements.
func fieldsOf(k Kind) *shape {
	meta, params := valuesField{"meta", "meta_attributes"}, valuesField{"params", "instance_attributes"}
	utilization := valuesField{"utilization", "utilization"}
	sets := listField{name: "sets", shape: &shape{
		elements:   []string{"resource_set"},
		attributes: words("id-ref sequential require-all ordering action role score kind"),
		refs:       []refsField{{name: "resources", elements: []string{"resource_ref"}}},
	}}
	rules := func() listField { return listField{name: "rules", shape: ruleShape(3)} } // made where it is needed: it is large
	ops := listField{name: "ops", inside: "operations", shape: &shape{
		elements: []string{"op"},
		attributes: words(`name interval description timeout start-delay interval-origin enabled record-pending role requires
			on-fail prereq disabled`),
		values: []valuesField{params, meta},
	}}
	switch k {
	case Nodes:
		return &shape{attributes: words("uname type description score"), values: []valuesField{{"attributes", "instance_attributes"}, utilization}}
	case Primitives:
		return &shape{attributes: words("description template"), hasAgent: true, values: []valuesField{params, meta, utilization}, lists: []listField{ops}}
	case Templates:
		return &shape{attributes: words("description"), hasAgent: true, values: []valuesField{params, meta, utilization}, lists: []listField{ops}}
	case Groups:
		return &shape{attributes: words("description ordered collocated"), values: []valuesField{params, meta}, refs: []refsField{{name: "members", elements: []string{"primitive"}, members: true}}}
	case Clones:
		return &shape{attributes: words("description ordered interleave notify"), values: []valuesField{params, meta}, refs: []refsField{{name: "member", elements: []string{"primitive", "group"}, single: true, members: true}}}
	case Bundles:
		return bundleShape(params, meta)
	case Locations:
		return &shape{attributes: words("rsc rsc-pattern role node score resource-discovery"), lists: []listField{sets, rules()}}
	case Colocations:
		return &shape{attributes: words("rsc rsc-role rsc-instance with-rsc with-rsc-role with-rsc-instance score score-attribute score-attribute-mangle node-attribute influence symmetrical"), lists: []listField{sets, rules()}}
	case Orders:
		return &shape{attributes: words("first first-action first-instance then then-action then-instance kind score symmetrical require-all"), lists: []listField{sets}}
	case Tickets:
		return &shape{attributes: words("rsc rsc-role ticket loss-policy"), lists: []listField{sets}}
	case Tags:
		return &shape{refs: []refsField{{name: "objects", elements: []string{"obj_ref"}}}}
	case Alerts:
		recipients := listField{name: "recipients", shape: &shape{elements: []string{"recipient"}, attributes: words("value description"), values: []valuesField{params, meta}}}
		return &shape{attributes: words("path description"), values: []valuesField{params, meta}, lists: []listField{recipients}}
	case FencingLevels:
		return &shape{attributes: words("target target-pattern target-attribute target-value index devices")}
	case Roles:
		permissions := listField{name: "permissions", shape: &shape{elements: []string{"acl_permission"}, attributes: words("kind xpath reference object-type attribute description")}}
		return &shape{attributes: words("description"), lists: []listField{permissions}}
	case Targets:
		return &shape{attributes: words("name"), refs: []refsField{{name: "roles", elements: []string{"role"}}}}
	case ACLGroups:
		return &shape{attributes: words("name"), refs: []refsField{{name: "roles", elements: []string{"role"}}}}
	case Properties, ResourceDefaults, OperationDefaults:
		return setShape()
	}
	return nil
}

// setShape is the shape of an element that is a set of name-value pairs.
func setShape(elements ...string) *shape {
	return &shape{elements: elements, attributes: words("id-ref score"), values: []valuesField{{"values", ""}}, lists: []listField{{name: "rules", shape: ruleShape(3)}}}
}

// ruleShape is the shape of a rule, with rules in it up to a depth.
func ruleShape(depth int) *shape {
	duration := listField{name: "duration", single: true, shape: &shape{elements: []string{"duration"}, attributes: words("hours monthdays weekdays yearsdays months weeks years weekyears moon days minutes seconds")}}
	spec := listField{name: "date_spec", single: true, shape: &shape{elements: []string{"date_spec"}, attributes: words("hours monthdays weekdays yearsdays yeardays months weeks years weekyears moon minutes seconds")}}
	s := &shape{elements: []string{"rule"}, attributes: words("id-ref score score-attribute boolean-op role")}
	parts := &shape{
		elements:   words("expression date_expression rsc_expression op_expression"),
		attributes: words("attribute operation value type value-source start end class provider name interval"),
		lists:      []listField{duration, spec},
	}
	if depth > 0 { // a rule among the expressions
		inner := ruleShape(depth - 1)
		parts.elements = append(parts.elements, "rule")
		parts.attributes = append(parts.attributes, inner.attributes...)
		parts.lists = append(parts.lists, inner.lists...)
	}
	s.lists = []listField{{name: "expressions", shape: parts}}
	return s
}

// bundleShape is the shape of a bundle: its container is the element docker, podman or rkt.
func bundleShape(params, meta valuesField) *shape {
	ports := listField{name: "ports", shape: &shape{elements: []string{"port-mapping"}, attributes: words("port internal-port range")}}
	return &shape{
		attributes: words("description"),
		values:     []valuesField{params, meta},
		lists: []listField{
			{name: "container", single: true, shape: &shape{
				elements:   words("podman docker rkt"),
				attributes: words("image replicas replicas-per-host masters promoted-max run-command network options"),
			}},
			{name: "network", single: true, shape: &shape{
				elements:   []string{"network"},
				attributes: words("ip-range-start control-port host-interface host-netmask add-host"),
				lists:      []listField{ports},
			}},
			{name: "storage", inside: "storage", shape: &shape{elements: []string{"storage-mapping"}, attributes: words("source-dir source-dir-root target-dir options")}},
		},
		refs: []refsField{{name: "member", elements: []string{"primitive"}, single: true, members: true}},
	}
}

func words(text string) []string { return strings.Fields(text) }
