package pacemaker

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
)

// check reports every invalid field. The error is an *lb.InvalidError.
func (d Description) check() error {
	bad := slices.Concat(d.checkNames(), d.checkChoices(), d.checkAddresses(), d.checkTimes(), checkWatch(d), checkManage(d))
	for _, n := range []struct {
		path  string
		value int
	}{{"stickiness", *d.Stickiness}, {"migration-threshold", *d.Threshold}} {
		if n.value < 0 || n.value > infinity {
			bad = append(bad, lb.FieldError{Path: n.path, Problem: strconv.Itoa(n.value) + " is out of range", Expected: "0 to " + strconv.Itoa(infinity)})
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.SortFunc(bad, func(a, b lb.FieldError) int { return strings.Compare(a.Path, b.Path) })
	return &lb.InvalidError{Fields: bad}
}

// checkNames checks the names that become ids in the CIB. An XML id (NCName) has no
// colon and begins with a letter.
func (d Description) checkNames() []lb.FieldError {
	var bad []lb.FieldError
	check := func(path, value string) {
		if _, err := lb.ParseName(value); err != nil || strings.Contains(value, ":") || !isLetter(value[0]) {
			bad = append(bad, lb.FieldError{Path: path, Problem: strconv.Quote(value) + " is not a name", Expected: "a letter, then letters, digits and . _ -"})
		}
	}
	check("name", d.Name)
	for _, n := range d.Prefer { // a node's name may begin with a digit
		if _, err := lb.ParseName(n); err != nil || strings.Contains(n, ":") || n[0] == '-' {
			bad = append(bad, lb.FieldError{Path: "prefer", Problem: strconv.Quote(n) + " is not the name of a node", Expected: "letters, digits and . _ -"})
		}
	}
	for _, n := range d.Nodes {
		if _, err := lb.ParseName(n); err != nil || strings.Contains(n, ":") || n[0] == '-' {
			bad = append(bad, lb.FieldError{Path: "nodes", Problem: strconv.Quote(n) + " is not the name of a node", Expected: "letters, digits and . _ -"})
		}
	}
	for p := range d.Parameters {
		check("parameters", p)
	}
	return bad
}

// checkChoices checks the agent, the topology and the order.
func (d Description) checkChoices() []lb.FieldError {
	var bad []lb.FieldError
	parts := strings.Split(d.Agent, ":")
	if len(parts) != 3 || parts[0] != "ocf" || slices.ContainsFunc(parts, func(p string) bool { return p == "" || !isLetter(p[0]) }) {
		bad = append(bad, lb.FieldError{Path: "agent", Problem: strconv.Quote(d.Agent) + " is not an OCF agent", Expected: "ocf:PROVIDER:NAME"})
	}
	for _, c := range []struct{ path, value, one, other string }{
		{"topology", d.Topology, Clone, Group}, {"order", d.Order, Optional, Mandatory},
	} {
		if c.value != c.one && c.value != c.other {
			bad = append(bad, lb.FieldError{Path: c.path, Problem: strconv.Quote(c.value) + " is unknown", Expected: c.one + " or " + c.other})
		}
	}
	return bad
}

// checkAddresses checks the floating IPs.
func (d Description) checkAddresses() []lb.FieldError {
	if len(d.Addresses) == 0 {
		return []lb.FieldError{{Path: "ip", Problem: "is missing", Expected: "an address with its prefix length, e.g. 192.0.2.10/24"}}
	}
	var bad []lb.FieldError
	seen := map[netip.Addr]bool{}
	for _, a := range d.Addresses {
		ip := a.Addr()
		problem, expected := cluster.CheckFloatingIP(a)
		switch {
		case seen[ip]:
			bad = append(bad, lb.FieldError{Path: "ip", Problem: a.String() + " is set twice", Expected: "each address once"})
		case problem != "":
			bad = append(bad, lb.FieldError{Path: "ip", Problem: a.String() + " " + problem, Expected: expected})
		case ip.IsLinkLocalUnicast() && d.Interface == "":
			bad = append(bad, lb.FieldError{Path: "interface", Problem: "is missing for the link-local address " + a.String(), Expected: "the interface of its network"})
		}
		seen[ip] = true
	}
	return bad
}

// checkTimes checks the intervals and time limits.
func (d Description) checkTimes() []lb.FieldError {
	var bad []lb.FieldError
	for _, t := range []struct {
		path string
		time time.Duration
	}{
		{"monitor", d.Monitor},
		{"monitor-timeout", d.MonitorTimeout},
		{"deep-monitor", d.DeepMonitor},
		{"address-monitor", d.AddressMonitor},
		{"start", d.Start},
		{"stop", d.Stop},
		{"failure-timeout", *d.FailureTimeout},
	} {
		if t.path == "failure-timeout" && t.time == 0 { // failures do not expire
			continue
		}
		if t.time < 100*time.Millisecond {
			bad = append(bad, lb.FieldError{Path: t.path, Problem: t.time.String() + " is too short", Expected: "100ms or more"})
		}
	}
	if d.Monitor == d.DeepMonitor {
		bad = append(bad, lb.FieldError{
			Path: "deep-monitor", Problem: "equals the interval of the shallow monitor",
			Expected: "another interval: Pacemaker identifies monitors by their interval",
		})
	}
	return bad
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
