package pacemaker

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// checkParameters validates the parameters of Thalassa's resource agent.
func checkParameters(c *Cluster, d Description) error {
	if d.Agent != thalassaAgent || c.cfg.CheckParameters == nil {
		return nil
	}
	return c.cfg.CheckParameters(d.Parameters)
}

// clash reports a resource of the cluster that has what the Description is to have: an
// address, or the sockets and files of a HAProxy. Two resources with the same address
// run on two nodes at once, and two HAProxys with the same socket are taken for one. The
// error is an *lb.ConflictError.
func (d Description) clash(resources *cibxml.Element, defaults map[string]string) error {
	if resources == nil {
		return nil
	}
	for _, top := range resources.Children {
		if d.isOurs(top) {
			continue
		}
		for _, p := range append(top.Descendants("primitive"), top) {
			if p.Name != "primitive" || p.Attr("id") == d.Name {
				continue
			}
			if err := d.clashWith(p.Attr("id"), agentOf(resources, p), parametersOf(resources, p), defaults); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d Description) clashWith(id, agent string, has, defaults map[string]string) error {
	if ip, ok := addressIn(agent, has); ok {
		i := slices.IndexFunc(d.Addresses, func(a netip.Prefix) bool { return a.Addr() == ip })
		if i >= 0 {
			return &lb.ConflictError{ID: "resource/" + id, Reason: "already holds the address " + ip.String() + "; remove that resource, or choose another address"}
		}
	}
	if agent != thalassaAgent || d.Agent != thalassaAgent {
		return nil
	}
	for _, name := range []string{"config", "stats_socket", "master_socket", "pidfile", "startup_log"} {
		theirs, ours := cmp.Or(has[name], defaults[name]), cmp.Or(d.Parameters[name], defaults[name])
		if theirs == ours && ours != "" {
			return &lb.ConflictError{ID: "resource/" + id, Reason: "already uses " + name + "=" + ours + "; set another one with --parameter " + name + "=…"}
		}
	}
	return nil
}

// addressIn is the address of a resource that holds one.
func addressIn(agent string, parameters map[string]string) (netip.Addr, bool) {
	if !isAddress(agent) {
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(ipIn(parameters))
	return ip.Unmap(), err == nil
}

// isAddress reports whether a resource of that agent is an address.
func isAddress(agent string) bool {
	kind := agent[strings.LastIndex(agent, ":")+1:]
	return strings.HasPrefix(agent, "ocf:") && (strings.HasPrefix(kind, "IPaddr") || kind == "IPv6addr")
}

// ipIn is the address among the parameters of such a resource, as it is written.
func ipIn(parameters map[string]string) string {
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

// agentOf is the agent of a primitive, its own or its template's: ocf:heartbeat:IPaddr2.
func agentOf(resources, primitive *cibxml.Element) string {
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

// parametersOf are the parameters of a primitive: its own, and those of its template that
// it does not set. Sets and pairs may refer to others by id.
func parametersOf(resources, primitive *cibxml.Element) map[string]string {
	return inherited(resources, primitive, "instance_attributes")
}

// inherited are the pairs in sets of a primitive and its template, by name.
func inherited(resources, primitive *cibxml.Element, set string) map[string]string {
	out := map[string]string{}
	for _, e := range []*cibxml.Element{templateOf(resources, primitive), primitive} {
		maps.Copy(out, pairsIn(resources, e, set))
	}
	return out
}

// pairsIn are the pairs in an element's own sets, by name. Of two with one name, the
// first counts.
func pairsIn(section, e *cibxml.Element, name string) map[string]string {
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
