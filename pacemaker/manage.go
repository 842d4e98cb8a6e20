package pacemaker

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/lb"
)

// endpointAgent is the resource agent that knows whether the agent of a node answers.
const endpointAgent = "ocf:thalassa:agent"

// defaultManagePort is the port of agents without other settings.
const defaultManagePort = 10000

// An endpoint is the management endpoint of a Description.
type endpoint struct{ d Description }

// agent, clone and address are the ids of its resources.
func (e endpoint) agent() string   { return e.id("thalassa-agent") }
func (e endpoint) clone() string   { return e.agent() + "-clone" }
func (e endpoint) address() string { return e.id("manage-ip") }

func (e endpoint) id(id string) string {
	if e.d.Name != "haproxy" {
		return e.d.Name + "-" + id
	}
	return id
}

// isOurs reports whether id is that of one of its resources.
func (e endpoint) isOurs(id string) bool { return id == e.clone() || id == e.address() }

// resources returns the resources of the management endpoint: a clone that runs where the agent
// of the node answers, and the address.
//
// One failure takes the clone's instance off its node until it expires: only so the address
// moves at once. A second start on the same node would wait for the agent instead.
func (e endpoint) resources() []*cibxml.Element {
	d, id := e.d, e.agent()
	if !d.Manage.IsValid() {
		return nil
	}
	class, rest, _ := strings.Cut(endpointAgent, ":")
	provider, kind, _ := strings.Cut(rest, ":")
	agent := cibxml.New("primitive", "id", id, "class", class, "provider", provider, "type", kind).Add(
		pairs("instance_attributes", id, "ip", d.Manage.Addr().String(), "port", strconv.Itoa(d.ManagePort)),
		cibxml.New("operations").Add(
			operation(id, "start", 0, 20*time.Second), operation(id, "stop", 0, 20*time.Second), operation(id, "monitor", 2*time.Second, 10*time.Second),
		),
		pairs("meta_attributes", id, "migration-threshold", "1", "failure-timeout", seconds(*d.FailureTimeout)),
	)
	clone := cibxml.New("clone", "id", e.clone()).Add(agent, pairs("meta_attributes", e.clone(), "interleave", "true"))
	return []*cibxml.Element{clone, d.address(e.address(), d.Manage, "")}
}

// constraints keep the address with an agent.
func (e endpoint) constraints() []*cibxml.Element {
	d := e.d
	if !d.Manage.IsValid() {
		return nil
	}
	prefix, clone, address := d.Name+"-thalassa-manage-", e.clone(), e.address()
	return slices.Concat([]*cibxml.Element{
		cibxml.New("rsc_colocation", "id", prefix+"with", "rsc", address, "with-rsc", clone, "score", "INFINITY"),
		cibxml.New("rsc_order", "id", prefix+"after", "first", clone, "then", address, "kind", "Optional"),
	}, d.onlyOn(clone), d.onlyOn(address))
}

// checkManage checks the address and the port of the management endpoint.
func checkManage(d Description) []lb.FieldError {
	var bad []lb.FieldError
	if d.ManagePort < 1 || d.ManagePort > 65535 {
		bad = append(bad, lb.FieldError{Path: "manage-port", Problem: strconv.Itoa(d.ManagePort) + " is no port", Expected: "1 to 65535"})
	}
	if !d.Manage.IsValid() {
		return bad
	}
	problem, expected := cluster.CheckFloatingIP(d.Manage)
	switch {
	case problem != "":
		bad = append(bad, lb.FieldError{Path: "manage-ip", Problem: d.Manage.String() + " " + problem, Expected: expected})
	case d.Manage.Addr().IsLinkLocalUnicast():
		bad = append(bad, lb.FieldError{Path: "manage-ip", Problem: d.Manage.String() + " is link-local", Expected: "an address that clients can reach"})
	case slices.ContainsFunc(d.Addresses, func(a netip.Prefix) bool { return a.Addr() == d.Manage.Addr() }):
		bad = append(bad, lb.FieldError{Path: "manage-ip", Problem: d.Manage.String() + " is also set as ip", Expected: "an address of its own"})
	}
	return bad
}

// isManagement reports whether a resource is one of a management endpoint: the clone of an
// endpointAgent, or what is colocated with one.
func isManagement(c *CIB, top *cibxml.Element) bool {
	resources := c.section("resources")
	if isEndpoint(resources, top) {
		return true
	}
	for _, constraint := range c.section("constraints").Descendants("rsc_colocation") {
		if constraint.Attr("rsc") == top.Attr("id") && isEndpoint(resources, resources.ByID(constraint.Attr("with-rsc"))) {
			return true
		}
	}
	return false
}

// isEndpoint reports whether a resource has an endpointAgent; nil has none.
func isEndpoint(resources, e *cibxml.Element) bool {
	return slices.ContainsFunc(primitivesIn(e), func(p *cibxml.Element) bool { return config.AgentOf(resources, p) == endpointAgent })
}
