package config

import (
	"cmp"
	"maps"
	"net/netip"
	"strings"

	"thalassa/cluster/cibxml"
)

// AddressIn is the address of a resource that holds one.
func AddressIn(agent string, parameters map[string]string) (netip.Addr, bool) {
	if !IsAddress(agent) {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(AddressText(parameters))
	return ip.Unmap(), err == nil
}

// IsAddress reports whether a resource of that agent is an address.
func IsAddress(agent string) bool {
	kind := agent[strings.LastIndex(agent, ":")+1:]
	return strings.HasPrefix(agent, "ocf:") && (strings.HasPrefix(kind, "IPaddr") || kind == "IPv6addr")
}

// AddressText is the address among the parameters of such a resource, as it is written.
func AddressText(parameters map[string]string) string {
	return cmp.Or(parameters["ip"], parameters["ipv6addr"])
}

// templateOf is the template of a primitive; nil: it has none.
func templateOf(resources, primitive *cibxml.Element) *cibxml.Element {
	name := primitive.Attr("template")
	if name == "" {
		return nil
	}
	return resources.ByID(name)
}

// AgentOf is the agent of a primitive, its own or its template's: ocf:heartbeat:IPaddr2.
func AgentOf(resources, primitive *cibxml.Element) string {
	e := primitive
	if template := templateOf(resources, primitive); template != nil {
		e = template
	}
	agent := e.Attr("class")
	if provider := e.Attr("provider"); provider != "" {
		agent += ":" + provider
	}
	return agent + ":" + e.Attr("type")
}

// ParametersOf are the parameters of a primitive: its own, and those of its template that
// it does not set. Sets and pairs may refer to others by id.
func ParametersOf(resources, primitive *cibxml.Element) map[string]string {
	return Inherited(resources, primitive, "instance_attributes")
}

// Inherited are the pairs in sets of a primitive and its template, by name.
func Inherited(resources, primitive *cibxml.Element, set string) map[string]string {
	out := map[string]string{}
	for _, e := range []*cibxml.Element{templateOf(resources, primitive), primitive} {
		maps.Copy(out, PairsIn(resources, e, set))
	}
	return out
}

// PairsIn are the pairs in an element's own sets, by name. Of two with one name, the
// first counts.
func PairsIn(section, e *cibxml.Element, name string) map[string]string {
	out := map[string]string{}
	if e == nil {
		return out
	}
	for _, set := range e.Children {
		if set.Name != name {
			continue
		}
		for _, pair := range referred(section, set).Children {
			key := cmp.Or(pair.Attr("name"), referred(section, pair).Attr("name"))
			if _, known := out[key]; pair.Name == "nvpair" && !known {
				out[key] = referred(section, pair).Attr("value")
			}
		}
	}
	return out
}

// referred is the element that id-ref names, or else the element itself.
func referred(resources, e *cibxml.Element) *cibxml.Element {
	if other := resources.ByID(e.Attr("id-ref")); e.Attr("id-ref") != "" && other != nil {
		return other
	}
	return e
}
