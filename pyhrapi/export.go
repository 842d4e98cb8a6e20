package pyhrapi

import (
	"fmt"
	"strconv"

	"thalassa/gateway"
)

// addressOf is the text behind "bind" that pyHrapi would have for an endpoint. It looks for
// certificates in its own folder, which is /tmp unless TMPDIR says otherwise.
func addressOf(e gateway.Endpoint) string {
	if e.Certificate == "" {
		return e.Address
	}
	return e.Address + "  ssl crt /tmp/" + e.Certificate + ".pem"
}

// Export converts a model to a database of pyHrapi. left has one sentence for each thing that such
// a database cannot hold.
func Export(m *gateway.Model) (db Database, left []string) {
	named, addresses := map[string]bool{}, map[string]string{}
	leave := func(format string, args ...any) { left = append(left, fmt.Sprintf(format, args...)) }
	for _, g := range m.Gateways() {
		gate := Gateway{Name: g.Name, Protocol: g.Protocol, Default: g.Default}
		if gate.Default == "" {
			gate.Default = gateway.None
		}
		db.Gateways = append(db.Gateways, gate)
		if !g.Enabled {
			leave("gateway %s is disabled, which the file does not say", shown(g.Name))
		}
		for _, e := range g.Endpoints {
			if named[e.Name] {
				leave("endpoint %s of gateway %s is left out: another gateway has one of this name", shown(e.Name), shown(g.Name))
				continue
			}
			named[e.Name] = true
			db.Endpoints = append(db.Endpoints, Endpoint{Name: e.Name, Address: addressOf(e), Gateway: g.Name})
		}
	}
	named = map[string]bool{}
	for _, p := range m.Pools() {
		db.Pools = append(db.Pools, Pool{Name: p.Name, Policy: p.Policy, Weights: float64(p.Weight), Enabled: p.Enabled})
		if p.Service != "" {
			leave("pool %s has the targets that Consul lists now", shown(p.Name))
		}
		for _, t := range p.Targets {
			switch {
			case named[t.Name]:
				leave("target %s of pool %s is left out: another pool has one of this name", shown(t.Name), shown(p.Name))
				continue
			case addresses[t.Address] != "":
				leave("target %s of pool %s is left out: target %s has the address %s already", shown(t.Name), shown(p.Name), shown(addresses[t.Address]), t.Address)
				continue
			}
			named[t.Name], addresses[t.Address] = true, t.Name
			db.Targets = append(db.Targets, Target{Name: t.Name, Address: t.Address, Weight: strconv.Itoa(t.Weight), Enabled: t.Enabled, Pool: p.Name})
		}
	}
	return db, left
}
