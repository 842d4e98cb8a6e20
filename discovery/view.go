package discovery

import (
	"hash/maphash"
	"slices"
	"strings"

	"thalassa/consul"
	"thalassa/lb"
)

// A view is how the health checks of many services stand, in 8 bytes for each
// service and node. Two views made with the same seed can be compared, however
// they were come by: one from all checks of the catalog, one from the answer
// about a single service.
type view struct {
	seed     maphash.Seed
	services map[string]uint64 // lower-case name → sum over the checks of its instances
	nodes    map[string]uint64 // sum over the node's own checks
}

func newView(seed maphash.Seed) *view {
	return &view{seed: seed, services: map[string]uint64{}, nodes: map[string]uint64{}}
}

// add takes one check into the view. The order of the checks makes no
// difference.
func (v *view) add(c consul.Check) {
	sum := maphash.Comparable(v.seed, c)
	if c.ServiceName == "" {
		v.nodes[c.Node] += sum
		return
	}
	v.services[lowered(lb.Name(c.ServiceName))] += sum
}

// of sums up how a service stands that has its instances on these nodes.
func (v *view) of(name lb.Name, nodes []string) uint64 {
	type node struct {
		name   string
		checks uint64
	}
	sum := v.services[lowered(name)]
	for _, n := range nodes {
		sum += maphash.Comparable(v.seed, node{n, v.nodes[n]})
	}
	return sum
}

// viewOf sums up the answer about a single service, and lists its nodes.
func viewOf(seed maphash.Seed, name lb.Name, entries []*consul.Entry) (sum uint64, nodes []string) {
	v := newView(seed)
	known := map[string]bool{}
	for _, e := range entries {
		if e == nil || e.Node == nil {
			continue
		}
		repeated := known[e.Node.Node]
		known[e.Node.Node] = true
		for _, c := range e.Checks {
			// The node's own checks come with each of its instances.
			if c.ServiceName != "" || !repeated {
				v.add(c)
			}
		}
		if !repeated {
			nodes = append(nodes, e.Node.Node)
		}
	}
	return v.of(name, nodes), nodes
}

// digestTags sums up the tags of each service, by lower-case name.
func digestTags(seed maphash.Seed, tags map[string][]string) map[string]uint64 {
	out := make(map[string]uint64, len(tags))
	for name, list := range tags {
		slices.Sort(list)
		out[lowered(lb.Name(name))] += maphash.String(seed, strings.Join(list, "\x00"))
	}
	return out
}

// lowered is a name as Consul looks it up: upper and lower case are the same.
func lowered(name lb.Name) string { return strings.ToLower(string(name)) }
