package pacemaker

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// Topologies of HAProxy in a cluster.
const (
	Clone = "clone" // HAProxy on every node, the floating IP on one where HAProxy works
	Group = "group" // HAProxy only on the node with the floating IP
)

// Orders of HAProxy and the floating IPs of a Clone.
const (
	// Optional starts the address after HAProxy if both start at the same time. The
	// address stays while HAProxy restarts.
	Optional = "optional"
	// Mandatory restarts the address with every restart of HAProxy.
	Mandatory = "mandatory"
)

// thalassaAgent is Thalassa's own resource agent.
const thalassaAgent = "ocf:thalassa:haproxy"

// A Description describes HAProxy and its floating IPs in the cluster in short form.
type Description cluster.HAProxy

// Complete sets the defaults and validates the result. The error is an
// *lb.InvalidError.
func (d Description) Complete() (Description, error) {
	orText := func(p *string, other string) {
		if *p == "" {
			*p = other
		}
	}
	orTime := func(p *time.Duration, other time.Duration) {
		if *p == 0 {
			*p = other
		}
	}
	orText(&d.Name, "haproxy")
	orText(&d.Agent, thalassaAgent)
	orText(&d.Topology, Clone)
	orText(&d.Order, Optional)
	d.ManagePort = cmp.Or(d.ManagePort, defaultManagePort)
	orTime(&d.Monitor, 500*time.Millisecond)
	orTime(&d.MonitorTimeout, 10*time.Second)
	orTime(&d.DeepMonitor, 10*time.Second)
	orTime(&d.AddressMonitor, 5*time.Second)
	orTime(&d.Start, time.Minute)
	orTime(&d.Stop, time.Minute)
	d.Stickiness = cmp.Or(d.Stickiness, new(100))
	d.Threshold = cmp.Or(d.Threshold, new(3))
	d.FailureTimeout = cmp.Or(d.FailureTimeout, new(time.Minute))
	return d, d.check()
}

// The ids of the resources.
func (d Description) cloneID() string { return d.Name + "-clone" }
func (d Description) groupID() string { return d.Name + "-group" }

func (d Description) vip(i int) string {
	id := "vip"
	if d.Name != "haproxy" {
		id = d.Name + "-vip"
	}
	if i > 0 {
		id += "-" + strconv.Itoa(i+1)
	}
	return id
}

// home is the resource that has the addresses.
func (d Description) home() string {
	switch {
	case d.Topology == Group:
		return d.groupID()
	case len(d.Addresses) > 1:
		return d.vip(0) + "s"
	}
	return d.vip(0)
}

// isOurs reports whether an element was made from a Description of this name.
func (d Description) isOurs(e *cibxml.Element) bool {
	id := e.Attr("id")
	if strings.HasPrefix(e.Name, "rsc_") {
		return strings.HasPrefix(id, d.Name+"-thalassa-")
	}
	if e.Attr("description") != cibxml.Mark {
		return false
	}
	rest, ok := strings.CutPrefix(id, d.vip(0))
	if _, err := strconv.Atoi(strings.TrimPrefix(rest, "-")); ok && (rest == "" || rest == "s" || strings.HasPrefix(rest, "-") && err == nil) {
		return true
	}
	return id == d.cloneID() || id == d.groupID() || d.isWatch(id) || endpoint{d}.isOurs(id)
}

// resources returns the resources with their mark, in the order of the CIB.
func (d Description) resources() []*cibxml.Element {
	list := slices.Concat(d.unmarked(), d.watches(), endpoint{d}.resources())
	for _, e := range list {
		e.Set("description", cibxml.Mark)
	}
	return list
}

func (d Description) unmarked() []*cibxml.Element {
	vips := make([]*cibxml.Element, len(d.Addresses))
	for i, a := range d.Addresses {
		vips[i] = d.address(d.vip(i), a, d.Interface)
	}
	if d.Topology == Group {
		// The address first: HAProxy may bind it. Members depend on those before them.
		g := cibxml.New("group", "id", d.groupID()).Add(vips...).Add(d.haproxy())
		return []*cibxml.Element{g.Add(d.meta(d.groupID()))}
	}
	clone := cibxml.New("clone", "id", d.cloneID()).Add(d.haproxy(), pairs("meta_attributes", d.cloneID(), "interleave", "true"))
	if len(vips) == 1 {
		return []*cibxml.Element{clone, vips[0]}
	}
	return []*cibxml.Element{clone, cibxml.New("group", "id", d.home()).Add(vips...).Add(d.meta(d.home()))}
}

func (d Description) haproxy() *cibxml.Element {
	class, rest, _ := strings.Cut(d.Agent, ":")
	provider, kind, _ := strings.Cut(rest, ":")
	parameters := make([]string, 0, 2+2*len(d.Parameters))
	parameters = append(parameters, "generation", "1")
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		parameters = append(parameters, name, d.Parameters[name])
	}
	operations := cibxml.New("operations").Add(
		operation(d.Name, "start", 0, d.Start), operation(d.Name, "stop", 0, d.Stop), operation(d.Name, "reload-agent", 0, d.Start),
		operation(d.Name, "monitor", d.Monitor, d.MonitorTimeout),
		operation(d.Name, "monitor", d.DeepMonitor, 20*time.Second).Add(
			pairs("instance_attributes", d.Name+"-monitor-"+seconds(d.DeepMonitor), "OCF_CHECK_LEVEL", "10"),
		),
	)
	return cibxml.New("primitive", "id", d.Name, "class", class, "provider", provider, "type", kind).Add(
		pairs("instance_attributes", d.Name, parameters...), operations, d.meta(d.Name),
	)
}

func (d Description) address(id string, a netip.Prefix, iface string) *cibxml.Element {
	parameters := []string{"ip", a.Addr().String(), "cidr_netmask", strconv.Itoa(a.Bits())}
	if iface != "" {
		parameters = append(parameters, "nic", iface)
	}
	if a.Addr().Is6() {
		// Without it, the kernel checks for a second for a duplicate address. Fencing
		// ensures that there is none.
		parameters = append(parameters, "nodad", "true")
	}
	operations := cibxml.New("operations").Add(
		operation(id, "start", 0, 20*time.Second), operation(id, "stop", 0, 20*time.Second), operation(id, "monitor", d.AddressMonitor, 20*time.Second),
	)
	return cibxml.New("primitive", "id", id, "class", "ocf", "provider", "heartbeat", "type", "IPaddr2").Add(
		pairs("instance_attributes", id, parameters...), operations, d.meta(id),
	)
}

// meta returns the meta attributes of a resource.
func (d Description) meta(id string) *cibxml.Element {
	return pairs("meta_attributes", id, "resource-stickiness", strconv.Itoa(*d.Stickiness),
		"migration-threshold", strconv.Itoa(*d.Threshold), "failure-timeout", seconds(*d.FailureTimeout))
}

// constraints returns those that keep addresses with HAProxy, and those of Prefer.
func (d Description) constraints() []*cibxml.Element {
	prefix := d.Name + "-thalassa-"
	var out []*cibxml.Element
	if d.Topology == Clone {
		out = append(out,
			cibxml.New("rsc_colocation", "id", prefix+"with", "rsc", d.home(), "with-rsc", d.cloneID(), "score", "INFINITY"),
			cibxml.New("rsc_order", "id", prefix+"after", "first", d.cloneID(), "then", d.home(), "kind", map[string]string{Optional: "Optional", Mandatory: "Mandatory"}[d.Order]),
		)
	}
	for i, node := range d.Prefer {
		// Less than the stickiness, so that no resource moves back, unless the stickiness
		// is too small for an order of the nodes.
		score := max(len(d.Prefer), *d.Stickiness/2) - i
		out = append(out, cibxml.New("rsc_location", "id", prefix+"prefers-"+node, "rsc", d.home(), "node", node, "score", strconv.Itoa(score)))
	}
	return slices.Concat(out, d.onlyOnNodes(), d.watchConstraints(), endpoint{d}.constraints())
}

// pairs returns a set of name-value pairs of a resource, with the ids that
// Pacemaker's own tools use.
func pairs(set, id string, values ...string) *cibxml.Element {
	s := cibxml.New(set, "id", id+"-"+set)
	for i := 0; i+1 < len(values); i += 2 {
		s.Add(cibxml.New("nvpair", "id", s.Attr("id")+"-"+values[i], "name", values[i], "value", values[i+1]))
	}
	return s
}

func operation(resource, name string, interval, timeout time.Duration) *cibxml.Element {
	return cibxml.New("op", "id", fmt.Sprintf("%s-%s-%s", resource, name, seconds(interval)),
		"name", name, "interval", seconds(interval), "timeout", seconds(timeout))
}

// seconds formats a duration for Pacemaker.
func seconds(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	return milliseconds(d)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
