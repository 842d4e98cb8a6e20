package pacemaker

import (
	"net/netip"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

// addresses returns the address of each floating IP by resource, as far as the CIB
// names it.
func (c *CIB) addresses() map[string]string {
	out := map[string]string{}
	resources := c.section("resources")
	for _, p := range c.primitives() {
		if !config.IsAddress(config.AgentOf(resources, p)) {
			continue
		}
		parameters := config.ParametersOf(resources, p)
		ip := config.AddressText(parameters)
		if mask := parameters["cidr_netmask"]; mask != "" {
			ip += "/" + mask
		}
		if !cibxml.AddressForm.MatchString(ip) { // it is none, and may be anything else
			ip = ""
		}
		out[p.Attr("id")] = ip
	}
	return out
}

// floatingIPs returns those among the resources that are addresses.
func (c *CIB) floatingIPs(resources []cluster.Resource) []cluster.FloatingIP {
	out := []cluster.FloatingIP{}
	addresses, ours := c.addresses(), c.withHAProxy()
	for _, r := range resources {
		address, ok := addresses[r.ID]
		if !ok {
			if address, ok = bundleAddress(r); !ok {
				continue
			}
		}
		ip := cluster.FloatingIP{Resource: r.ID, Address: address, Nodes: slices.Compact(r.Nodes()), Shared: r.Clone, HAProxy: ours[r.ID]}
		if len(ip.Nodes) > 0 {
			ip.Node = ip.Nodes[0]
		}
		out = append(out, ip)
	}
	return out
}

// bundleAddress is the address of a resource that Pacemaker makes for a replica of a
// bundle: BUNDLE-ip-192.0.2.10, with dots for the colons of IPv6.
func bundleAddress(r cluster.Resource) (address string, ok bool) {
	text, found := strings.CutPrefix(r.ID, r.In+"-ip-")
	if !found || r.In == "" || !config.IsAddress(r.Agent) {
		return "", false
	}
	for _, s := range []string{text, strings.ReplaceAll(text, ".", ":")} {
		if ip, err := netip.ParseAddr(s); err == nil {
			return ip.String(), true
		}
	}
	return "", false
}
