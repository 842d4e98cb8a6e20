package main

import (
	"net/netip"

	"thalassa/auth"
	"thalassa/lb"
	"thalassa/routes"
)

// refusesRoute says why a route must not lead to an address that administers this node: it
// would lend the rights of this machine to every caller with the role of the route. Only an
// admin has these rights anyway. A route to the API itself would lead in a circle.
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
