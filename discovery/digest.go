package discovery

import (
	"hash/maphash"
	"slices"
	"strings"

	"thalassa/consul"
	"thalassa/lb"
)

// digests are hashes of the health checks of many services, with 8 bytes for each
// service and node. Digests with the same seed are comparable: one from all checks of
// the catalog with one from the answer for a single service.
type digests struct {
	seed     maphash.Seed
	services map[string]uint64 // lower-case name → sum over the checks of its instances
	nodes    map[string]uint64 // sum over the node's own checks
}

func newDigests(seed maphash.Seed) *digests {
	return &digests{seed: seed, services: map[string]uint64{}, nodes: map[string]uint64{}}
}

// add adds a check. The order of the checks does not matter.
func (d *digests) add(c consul.Check) {
	sum := maphash.Comparable(d.seed, c)
	if c.ServiceName == "" {
		d.nodes[c.Node] += sum
		return
	}
	d.services[lowerCase(lb.Name(c.ServiceName))] += sum
}

// of returns the digest of a service with instances on these nodes.
func (d *digests) of(name lb.Name, nodes []string) uint64 {
	type node struct {
		name   string
		checks uint64
	}
	sum := d.services[lowerCase(name)]
	for _, n := range nodes {
		sum += maphash.Comparable(d.seed, node{n, d.nodes[n]})
	}
	return sum
}

// digestOf returns the digest of the answer for a single service, and its nodes.
func digestOf(seed maphash.Seed, name lb.Name, entries []*consul.Entry) (sum uint64, nodes []string) {
	d := newDigests(seed)
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
				d.add(c.Check)
			}
		}
		if !repeated {
			nodes = append(nodes, e.Node.Node)
		}
	}
	return d.of(name, nodes), nodes
}

// digestTags returns a digest of the tags of each service by lower-case name.
func digestTags(seed maphash.Seed, tags map[string][]string) map[string]uint64 {
	out := make(map[string]uint64, len(tags))
	for name, list := range tags {
		slices.Sort(list)
		out[lowerCase(lb.Name(name))] += maphash.String(seed, strings.Join(list, "\x00"))
	}
	return out
}

// lowerCase returns a name in lower case. Consul ignores the case of names.
func lowerCase(name lb.Name) string { return strings.ToLower(string(name)) }
