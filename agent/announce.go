package agent

import (
	"strconv"

	"thalassa/discovery"
	"thalassa/lb"
)

// announce registers the agent, and every frontend that asks for it.
func (a *Agent) announce(in lb.Intent) {
	if a.cfg.Announcer == nil {
		return
	}
	services := []discovery.Registration{a.cfg.Self}
	for _, f := range in.SortedFrontends() {
		if f.Register != "" {
			services = append(services, a.registration(f))
		}
	}
	a.cfg.Announcer.Set(services)
}

// registration announces a frontend at its first address, checked by a TCP
// connect. A wildcard is announced without an address, which in Consul means
// the node's own.
func (a *Agent) registration(f lb.Frontend) discovery.Registration {
	bind := f.Binds[0]
	check := lb.HostPort(bind)
	if bind.Host == "" {
		check.Host = "127.0.0.1"
	}
	return discovery.Registration{
		ID:      a.cfg.Self.ID + "-" + string(f.Key),
		Name:    f.Register,
		Tags:    a.cfg.Self.Tags,
		Address: bind.Host,
		Port:    bind.Port,
		Meta:    map[string]string{"frontend": string(f.Key), "binds": strconv.Itoa(len(f.Binds))},
		Check:   &discovery.Check{TCP: check.String()},
		Stays:   a.cfg.Outlived,
	}
}
