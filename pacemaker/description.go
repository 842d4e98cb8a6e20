package pacemaker

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/lb"
)

// Topologies of HAProxy in a cluster.
const (
	Clone = "clone" // HAProxy on every node, the floating IP where HAProxy is well
	Group = "group" // HAProxy only beside the floating IP
)

// Orders of HAProxy and the floating IPs of a Clone.
const (
	// Optional has an address come up after a HAProxy that is to start at the same
	// time, and lets it stay where it is while HAProxy is started again there.
	Optional = "optional"
	// Mandatory takes the address down and up with every such start.
	Mandatory = "mandatory"
)

// A Description is the short form of what HAProxy and its floating IPs are to be
// in the cluster.
type Description struct {
	// Name of the HAProxy resource (haproxy); the other names follow from it.
	Name string
	// Agent is HAProxy's resource agent (ocf:thalassa:haproxy).
	Agent string
	// Parameters of the agent.
	Parameters map[string]string
	Topology   string // Clone
	// Order is that of a Clone and the addresses (Optional). Whichever it is, an
	// address is only where HAProxy runs, and leaves a node before HAProxy does.
	Order string
	// Addresses are the floating IPs with the length of their network's prefix.
	// They stay together.
	Addresses []netip.Prefix
	// Interface that gets them; empty: the one that has their network.
	Interface string
	// Prefer are the nodes where the floating IPs are at home, the best first.
	// They go there when they are homeless; they do not go back by themselves.
	Prefer []string

	Monitor        time.Duration // between shallow looks at HAProxy (500 ms)
	DeepMonitor    time.Duration // between looks of depth 10 (10 s)
	AddressMonitor time.Duration // between looks at the addresses (5 s)
	Start          time.Duration // time limit of a start, and of a reload (60 s)
	Stop           time.Duration // and of a stop; then the node is fenced (60 s)
	// Stickiness keeps a resource where it is (100).
	Stickiness int
	// Threshold is how many failures drive a resource away from a node (3).
	Threshold int
	// FailureTimeout is when a failure is forgotten (60 s).
	FailureTimeout time.Duration
}

// Complete fills the defaults in and finds mistakes. The error is an
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
	orText(&d.Agent, "ocf:thalassa:haproxy")
	orText(&d.Topology, Clone)
	orText(&d.Order, Optional)
	orTime(&d.Monitor, 500*time.Millisecond)
	orTime(&d.DeepMonitor, 10*time.Second)
	orTime(&d.AddressMonitor, 5*time.Second)
	orTime(&d.Start, time.Minute)
	orTime(&d.Stop, time.Minute)
	orTime(&d.FailureTimeout, time.Minute)
	if d.Stickiness == 0 {
		d.Stickiness = 100
	}
	if d.Threshold == 0 {
		d.Threshold = 3
	}
	return d, d.check()
}

func (d Description) check() error {
	var bad []lb.FieldError
	add := func(path, problem, expected string) {
		bad = append(bad, lb.FieldError{Path: path, Problem: problem, Expected: expected})
	}
	name := func(path, value string) {
		// An XML id (NCName): no colon, begins with a letter.
		if _, err := lb.ParseName(value); err != nil || strings.Contains(value, ":") || !isLetter(value[0]) {
			add(path, strconv.Quote(value)+" is not a name", "a letter, then letters, digits and . _ -")
		}
	}
	name("name", d.Name)
	for _, n := range d.Prefer {
		name("prefer", n)
	}
	for p := range d.Parameters {
		name("parameters", p)
	}
	if parts := strings.Split(d.Agent, ":"); len(parts) != 3 || parts[0] != "ocf" || slices.ContainsFunc(parts, func(p string) bool { return p == "" || !isLetter(p[0]) }) {
		add("agent", strconv.Quote(d.Agent)+" is not an OCF agent", "ocf:PROVIDER:NAME")
	}
	if d.Topology != Clone && d.Topology != Group {
		add("topology", strconv.Quote(d.Topology)+" is not known", "clone or group")
	}
	if d.Order != Optional && d.Order != Mandatory {
		add("order", strconv.Quote(d.Order)+" is not known", "optional or mandatory")
	}
	if len(d.Addresses) == 0 {
		add("ip", "is missing", "an address with the length of its prefix, e.g. 192.0.2.10/24")
	}
	seen := map[netip.Addr]bool{}
	for _, a := range d.Addresses {
		if seen[a.Addr()] || a.Addr().IsUnspecified() || a.Addr().IsMulticast() || a.Addr().IsLoopback() {
			add("ip", a.String()+" stands here twice, or is no address of a host", "an address that nobody has")
		}
		seen[a.Addr()] = true
	}
	for path, t := range map[string]time.Duration{"monitor": d.Monitor, "deep-monitor": d.DeepMonitor, "address-monitor": d.AddressMonitor, "start": d.Start, "stop": d.Stop, "failure-timeout": d.FailureTimeout} {
		if t < 100*time.Millisecond {
			add(path, t.String()+" is too short", "100ms or more")
		}
	}
	if d.Monitor == d.DeepMonitor {
		add("deep-monitor", "is that of the shallow monitor", "another time: Pacemaker takes them for one")
	}
	if d.Stickiness < 0 || d.Threshold < 0 {
		add("stickiness", "or threshold is negative", "0 or more")
	}
	if len(bad) > 0 {
		slices.SortFunc(bad, func(a, b lb.FieldError) int { return strings.Compare(a.Path, b.Path) })
		return &lb.InvalidError{Fields: bad}
	}
	return nil
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// The names of what a description becomes.
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

// home is the resource that is where the addresses are.
func (d Description) home() string {
	switch {
	case d.Topology == Group:
		return d.groupID()
	case len(d.Addresses) > 1:
		return d.vip(0) + "s"
	}
	return d.vip(0)
}

// mark is the description of a resource that was made from one.
const mark = "made by thalassa cluster apply"

// isOurs reports whether an element was made from some description of this name.
func (d Description) isOurs(e *element) bool {
	id := e.attr("id")
	if strings.HasPrefix(e.name, "rsc_") {
		return strings.HasPrefix(id, d.Name+"-thalassa-")
	}
	if e.attr("description") != mark {
		return false
	}
	rest, ok := strings.CutPrefix(id, d.vip(0))
	if _, err := strconv.Atoi(strings.TrimPrefix(rest, "-")); ok && (rest == "" || rest == "s" || strings.HasPrefix(rest, "-") && err == nil) {
		return true
	}
	return id == d.cloneID() || id == d.groupID()
}

// resources in the order they stand in the CIB, marked.
func (d Description) resources() []*element {
	list := d.unmarked()
	for _, e := range list {
		e.set("description", mark)
	}
	return list
}

func (d Description) unmarked() []*element {
	vips := make([]*element, len(d.Addresses))
	for i, a := range d.Addresses {
		vips[i] = d.address(d.vip(i), a)
	}
	if d.Topology == Group {
		// The address first: HAProxy may bind it. A member goes with those before.
		g := el("group", "id", d.groupID()).add(vips...).add(d.haproxy())
		return []*element{g.add(d.meta(d.groupID()))}
	}
	clone := el("clone", "id", d.cloneID()).add(d.haproxy(), pairs("meta_attributes", d.cloneID(), "interleave", "true"))
	if len(vips) == 1 {
		return []*element{clone, vips[0]}
	}
	return []*element{clone, el("group", "id", d.home()).add(vips...).add(d.meta(d.home()))}
}

func (d Description) haproxy() *element {
	class, rest, _ := strings.Cut(d.Agent, ":")
	provider, kind, _ := strings.Cut(rest, ":")
	parameters := make([]string, 0, 2+2*len(d.Parameters))
	parameters = append(parameters, "generation", "1")
	for _, name := range slices.Sorted(maps.Keys(d.Parameters)) {
		parameters = append(parameters, name, d.Parameters[name])
	}
	operations := el("operations").add(
		operation(d.Name, "start", 0, d.Start), operation(d.Name, "stop", 0, d.Stop), operation(d.Name, "reload-agent", 0, d.Start),
		operation(d.Name, "monitor", d.Monitor, 20*time.Second),
		operation(d.Name, "monitor", d.DeepMonitor, 20*time.Second).add(
			pairs("instance_attributes", d.Name+"-monitor-"+seconds(d.DeepMonitor), "OCF_CHECK_LEVEL", "10"),
		),
	)
	return el("primitive", "id", d.Name, "class", class, "provider", provider, "type", kind).add(
		pairs("instance_attributes", d.Name, parameters...), operations, d.meta(d.Name),
	)
}

func (d Description) address(id string, a netip.Prefix) *element {
	parameters := []string{"ip", a.Addr().String(), "cidr_netmask", strconv.Itoa(a.Bits())}
	if d.Interface != "" {
		parameters = append(parameters, "nic", d.Interface)
	}
	if a.Addr().Is6() {
		// The kernel would look for a second holder for a second before it uses the
		// address. Fencing sees to it that there is none.
		parameters = append(parameters, "nodad", "true")
	}
	operations := el("operations").add(
		operation(id, "start", 0, 20*time.Second), operation(id, "stop", 0, 20*time.Second), operation(id, "monitor", d.AddressMonitor, 20*time.Second),
	)
	return el("primitive", "id", id, "class", "ocf", "provider", "heartbeat", "type", "IPaddr2").add(
		pairs("instance_attributes", id, parameters...), operations, d.meta(id),
	)
}

// meta attributes of a resource that may fail and that stays where it is.
func (d Description) meta(id string) *element {
	return pairs("meta_attributes", id, "resource-stickiness", strconv.Itoa(d.Stickiness),
		"migration-threshold", strconv.Itoa(d.Threshold), "failure-timeout", seconds(d.FailureTimeout))
}

// constraints that keep addresses with HAProxy, and bring them home.
func (d Description) constraints() []*element {
	prefix := d.Name + "-thalassa-"
	var out []*element
	if d.Topology == Clone {
		out = append(out,
			el("rsc_colocation", "id", prefix+"with", "rsc", d.home(), "with-rsc", d.cloneID(), "score", "INFINITY"),
			el("rsc_order", "id", prefix+"after", "first", d.cloneID(), "then", d.home(), "kind", map[string]string{Optional: "Optional", Mandatory: "Mandatory"}[d.Order]),
		)
	}
	for i, node := range d.Prefer {
		// Less than the stickiness, so that nothing moves without need.
		score := max(1, d.Stickiness/2-i)
		out = append(out, el("rsc_location", "id", prefix+"prefers-"+node, "rsc", d.home(), "node", node, "score", strconv.Itoa(score)))
	}
	return out
}

// pairs is a set of name-value pairs of a resource, named as Pacemaker's own
// tools name it.
func pairs(set, id string, values ...string) *element {
	s := el(set, "id", id+"-"+set)
	for i := 0; i+1 < len(values); i += 2 {
		s.add(el("nvpair", "id", s.attr("id")+"-"+values[i], "name", values[i], "value", values[i+1]))
	}
	return s
}

func operation(resource, name string, interval, timeout time.Duration) *element {
	return el("op", "id", fmt.Sprintf("%s-%s-%s", resource, name, seconds(interval)),
		"name", name, "interval", seconds(interval), "timeout", seconds(timeout))
}

// seconds in Pacemaker's form.
func seconds(d time.Duration) string {
	if d%time.Second == 0 {
		return strconv.Itoa(int(d/time.Second)) + "s"
	}
	return milliseconds(d)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) + "ms" }
