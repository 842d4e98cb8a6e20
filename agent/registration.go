package agent

import (
	"strconv"

	"thalassa/discovery"
	"thalassa/lb"
)

// register registers the agent and every frontend that asks for it.
func register(cfg *Config, in lb.Intent) {
	if cfg.Announcer == nil {
		return
	}
	services := []discovery.Registration{cfg.Self}
	for _, f := range in.SortedFrontends() {
		if bind, ok := f.Address(); ok && f.Register != "" {
			services = append(services, registration(cfg, f, bind))
		}
	}
	cfg.Announcer.Set(services)
}

// registration announces a frontend at its first address, checked by a TCP connect. A
// frontend on every address is registered without one, which in Consul means the node's
// own.
func registration(cfg *Config, f lb.Frontend, bind lb.Bind) discovery.Registration {
	address, check := bind.Host, lb.HostPort(bind)
	switch bind.Host {
	case "", "0.0.0.0":
		address, check.Host = "", "127.0.0.1"
	case "::":
		address, check.Host = "", "::1"
	}
	return discovery.Registration{
		ID:      cfg.Self.ID + "-" + string(f.Key),
		Name:    f.Register,
		Tags:    cfg.Self.Tags,
		Address: address,
		Port:    bind.Port,
		Meta:    map[string]string{"frontend": string(f.Key), "binds": strconv.Itoa(f.Listeners())},
		Check:   &discovery.Check{TCP: check.String()},
		Stays:   cfg.Outlived,
	}
}
