package pacemaker

import (
	"cmp"
	"net/netip"
	"slices"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
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
			if err := d.clashWith(p.Attr("id"), config.AgentOf(resources, p), config.ParametersOf(resources, p), defaults); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d Description) clashWith(id, agent string, has, defaults map[string]string) error {
	if ip, ok := config.AddressIn(agent, has); ok {
		if d.Manage.Addr() == ip || slices.ContainsFunc(d.Addresses, func(a netip.Prefix) bool { return a.Addr() == ip }) {
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
