package main

import (
	"net/netip"

	"thalassa/auth"
	"thalassa/lb"
	"thalassa/routes"
)

// refusesRoute says why a route must not lead to an address that administers this node: every
// caller with the role of the route would get the rights of this machine there. Only an admin has
// these rights in any case. A route to the API itself would be a loop.
func refusesRoute(control func() *lb.Control) func(to netip.AddrPort, r routes.Route) string {
	return func(to netip.AddrPort, r routes.Route) string {
		c := control()
		why := c.Refusal(lb.HostPort{Host: lb.Host(to.Addr().Unmap().WithZone("").String()), Port: to.Port()})
		switch {
		case why == "" || r.Role == auth.Admin && !c.IsAPI(to.Port()):
			return ""
		case r.Role == auth.Admin:
			return why
		}
		return why + ", and the role of the route is " + r.Role.String()
	}
}

// secretFiles are the files that no route serves, as the settings and the access file name
// them now.
func (n node) secretFiles(authority *auth.Authority) func() []string {
	return func() []string { return append(n.reread.current.Load().SecretFiles(), authority.SecretFiles()...) }
}
