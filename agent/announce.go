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
// connect. Every address of the machine is announced as none, which in Consul means
// the node's own.
func (a *Agent) registration(f lb.Frontend) discovery.Registration {
	bind := f.Binds[0]
	address, check := bind.Host, lb.HostPort(bind)
	switch bind.Host {
	case "", "0.0.0.0":
		address, check.Host = "", "127.0.0.1"
	case "::":
		address, check.Host = "", "::1"
	}
	return discovery.Registration{
		ID:      a.cfg.Self.ID + "-" + string(f.Key),
		Name:    f.Register,
		Tags:    a.cfg.Self.Tags,
		Address: address,
		Port:    bind.Port,
		Meta:    map[string]string{"frontend": string(f.Key), "binds": strconv.Itoa(len(f.Binds))},
		Check:   &discovery.Check{TCP: check.String()},
		Stays:   a.cfg.Outlived,
	}
}
