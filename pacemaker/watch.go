package pacemaker

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"thalassa/cluster/cibxml"
	"thalassa/lb"
)

// noNetwork is the score of a node without a network that is watched. It outweighs
// stickiness and preferences. It is not -INFINITY: if no node has the network, the floating
// IPs stay where they are.
const noNetwork = "-100000"

// watched are the interfaces and the addresses of Watch.
func (d Description) watched() (interfaces, addresses []string) {
	for _, w := range d.Watch {
		if _, err := netip.ParseAddr(w); err == nil {
			addresses = append(addresses, w)
		} else {
			interfaces = append(interfaces, w)
		}
	}
	return interfaces, addresses
}

// watchID is the name of the resource that watches an interface, or all addresses ("").
func (d Description) watchID(iface string) string {
	if iface == "" {
		return d.Name + "-ping"
	}
	return d.Name + "-link-" + iface
}

// isWatch reports whether id is that of a clone of watches.
func (d Description) isWatch(id string) bool {
	return id == d.watchID("")+"-clone" || strings.HasPrefix(id, d.Name+"-link-") && strings.HasSuffix(id, "-clone")
}

// watches returns a clone for each interface, and one for all addresses. Each keeps a node
// attribute up to date, which is named like the resource: 1 or more if the network is
// there, 0 if not.
func (d Description) watches() []*cibxml.Element {
	interfaces, addresses := d.watched()
	var out []*cibxml.Element
	for _, iface := range interfaces {
		out = append(out, d.watch(d.watchID(iface), "heartbeat", "ethmonitor", 2*time.Second,
			"interface", iface, "link_status_only", "true", "repeat_count", "1"))
	}
	if len(addresses) > 0 {
		out = append(out, d.watch(d.watchID(""), "pacemaker", "ping", 2*time.Second,
			"host_list", strings.Join(addresses, " "), "attempts", "2", "timeout", "1", "dampen", "1s"))
	}
	return out
}

func (d Description) watch(id, provider, kind string, every time.Duration, parameters ...string) *cibxml.Element {
	operations := cibxml.New("operations").Add(
		operation(id, "start", 0, time.Minute), operation(id, "stop", 0, 20*time.Second), operation(id, "monitor", every, time.Minute),
	)
	primitive := cibxml.New("primitive", "id", id, "class", "ocf", "provider", provider, "type", kind).Add(
		pairs("instance_attributes", id, append(parameters, "name", id)...), operations,
		pairs("meta_attributes", id, "migration-threshold", "0", "failure-timeout", seconds(*d.FailureTimeout)),
	)
	return cibxml.New("clone", "id", id+"-clone").Add(primitive)
}

// watchConstraints keep the floating IPs off nodes without a watched network. A node whose
// state is not known, because the watch has not run yet, is not avoided.
func (d Description) watchConstraints() []*cibxml.Element {
	interfaces, addresses := d.watched()
	var ids []string
	for _, iface := range interfaces {
		ids = append(ids, d.watchID(iface))
	}
	if len(addresses) > 0 {
		ids = append(ids, d.watchID(""))
	}
	out := make([]*cibxml.Element, 0, 2*len(ids))
	for _, name := range ids {
		id := d.Name + "-thalassa-needs-" + name
		rule := cibxml.New("rule", "id", id+"-rule", "score", noNetwork).Add(
			cibxml.New("expression", "id", id+"-expression", "attribute", name, "operation", "lt", "value", "1", "type", "number"))
		out = append(out, cibxml.New("rsc_location", "id", id, "rsc", d.home()).Add(rule))
		out = append(out, d.onlyOn(name+"-clone")...)
	}
	return out
}

// checkWatch checks the interfaces and addresses to watch.
func checkWatch(d Description) []lb.FieldError {
	var bad []lb.FieldError
	for i, w := range d.Watch {
		switch _, err := netip.ParseAddr(w); {
		case slices.Contains(d.Watch[:i], w):
			bad = append(bad, lb.FieldError{Path: "watch-network", Problem: strconv.Quote(w) + " is set twice", Expected: "each interface and address once"})
		case err != nil && !isInterface(w):
			bad = append(bad, lb.FieldError{Path: "watch-network", Problem: strconv.Quote(w) + " is neither an interface nor an address", Expected: "e.g. eth1, or 192.0.2.1"})
		}
	}
	return bad
}

// isInterface reports whether a name may be that of a network interface, and part of an id.
func isInterface(name string) bool {
	return len(name) > 0 && len(name) < 16 && isLetter(name[0]) && !strings.ContainsFunc(name, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", r)
	})
}
