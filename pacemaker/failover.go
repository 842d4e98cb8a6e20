package pacemaker

import (
	"regexp"
	"slices"
	"strconv"
	"time"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/cluster/failover"
)

// maxOrders bounds the orders of a configuration that are looked at.
const maxOrders = 500

// FailoverSettings are what this CIB says about how long a failover takes.
func (c *CIB) FailoverSettings() failover.Settings {
	s := failover.Settings{TransitionDelay: intervalOf(c.property("transition-delay")), Nodes: len(c.section("nodes").Descendants("node"))}
	resources := c.section("resources")
	for _, p := range c.primitives() {
		switch agent, id := config.AgentOf(resources, p), p.Attr("id"); {
		case config.IsAddress(agent):
			s.Addresses = append(s.Addresses, id)
		case isHAProxy(agent, id):
			s.HAProxy = append(s.HAProxy, id)
		}
	}
	for _, g := range resources.Descendants("group") {
		if g.Pair("meta_attributes", "ordered") == "false" {
			continue
		}
		members := primitivesIn(g)
		for i := 1; i < len(members); i++ {
			s.Orders = append(s.Orders, failover.Order{ID: g.Attr("id"), First: members[i-1].Attr("id"), Then: members[i].Attr("id"), Group: true})
		}
	}
	for _, o := range c.section("constraints").Descendants("rsc_order") {
		s.Orders = append(s.Orders, ordersOf(resources, o)...)
	}
	s.Orders = s.Orders[:min(len(s.Orders), maxOrders)]
	return s
}

// ordersOf are the orders of starts between primitives that a mandatory constraint makes.
func ordersOf(resources, o *cibxml.Element) []failover.Order {
	kind, score := o.Attr("kind"), o.Attr("score")
	if kind != "" && kind != "Mandatory" || kind == "" && score == "0" || o.Has("first-action") && o.Attr("first-action") != "start" {
		return nil
	}
	var steps [][]string // each waits for the one before
	if o.Has("first") {
		steps = [][]string{{o.Attr("first")}, {o.Attr("then")}}
	}
	for _, set := range o.Descendants("resource_set") {
		var together []string
		for _, ref := range set.Descendants("resource_ref") {
			if cibxml.IsFalse(set.Attr("sequential")) {
				together = append(together, ref.Attr("id"))
			} else {
				steps = append(steps, []string{ref.Attr("id")})
			}
		}
		if together != nil {
			steps = append(steps, together)
		}
	}
	var out []failover.Order
	for i := 1; i < len(steps); i++ {
		for _, first := range primitivesOf(resources, steps[i-1]) {
			for _, then := range primitivesOf(resources, steps[i]) {
				if out = append(out, failover.Order{ID: o.Attr("id"), First: first, Then: then}); len(out) == maxOrders {
					return out
				}
			}
		}
	}
	return out
}

// primitivesOf are the ids of the primitives in some resources.
func primitivesOf(resources *cibxml.Element, ids []string) []string {
	var out []string
	for _, id := range ids {
		e := resources.ByID(id)
		if e == nil {
			continue
		}
		for _, p := range primitivesIn(e) {
			out = append(out, p.Attr("id"))
		}
	}
	return out
}

// LostSince are the nodes that a CIB before has as members that are up, and this one has not,
// although nobody has asked them to leave. If nothing of before is known (nil), a node that is
// to be fenced was lost if it is not up.
func (c *CIB) LostSince(before *CIB, toFence string) []string {
	var out []string
	for _, state := range c.root.Child("status").Descendants("node_state") {
		name := state.Attr("uname")
		if isUp(state) || state.Attr("expected") == "down" {
			continue
		}
		if before == nil {
			if name == toFence {
				out = append(out, name)
			}
			continue
		}
		if was := stateOf(before.root, name); was != nil && isUp(was) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// isUp reports whether a node is in the membership of corosync and in that of Pacemaker. Since
// 2.1.7, Pacemaker notes since when, in seconds, in place of true and online.
func isUp(state *cibxml.Element) bool {
	since := func(name, word string) bool {
		n, err := strconv.ParseInt(state.Attr(name), 10, 64)
		return state.Attr(name) == word || err == nil && n > 0
	}
	return since("in_ccm", "true") && since("crmd", "online")
}

// optionTime is a time as options of Pacemaker have it; without a unit, it is in seconds.
var optionTime = regexp.MustCompile(`^\s*([0-9]{1,9})\s*(ms|msec|us|usec|s|sec|m|min|h|hr|)\s*$`)

// intervalOf is such a time; 0: it is none, or has another form.
func intervalOf(text string) time.Duration {
	m := optionTime.FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // it has digits only
	unit := map[string]time.Duration{"ms": time.Millisecond, "msec": time.Millisecond, "us": time.Microsecond, "usec": time.Microsecond, "m": time.Minute, "min": time.Minute, "h": time.Hour, "hr": time.Hour}[m[2]]
	if unit == 0 {
		unit = time.Second
	}
	return time.Duration(n) * unit
}
