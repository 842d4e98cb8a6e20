package wizard

import (
	"errors"
	"slices"
	"strings"

	"thalassa/lb"
)

// haproxy makes what thalassa cluster apply makes.
func haproxy(o offers) recipe {
	return recipe{
		Wizard: Wizard{
			Name: "haproxy", Title: "HAProxy with floating IPs", Help: "HAProxy, and the addresses that follow it, as thalassa cluster apply makes them.",
			Fields: []Field{
				{Name: "name", Label: "Name", Kind: ID, Required: true, Default: "haproxy", Help: "Of the HAProxy resource. The other ids derive from it."},
				{Name: "ip", Label: "Addresses", Kind: Addresses, Required: true, Help: "Floating IPs with their prefix lengths, separated by spaces. They stay together."},
				{Name: "topology", Label: "Topology", Kind: Choice, Default: "clone", Choices: []string{"clone", "group"}, Help: "clone: HAProxy runs on all nodes. group: only where the addresses are."},
				{Name: "order", Label: "Order", Kind: Choice, Default: "optional", Choices: []string{"optional", "mandatory"}, Help: "mandatory: the addresses restart with HAProxy."},
				{Name: "interface", Label: "Interface", Kind: Text, Help: "Without it, the interface that has the network."},
				{Name: "manage-ip", Label: "Management address", Kind: Address, Help: "A floating IP for the agents, with its prefix length. Without it, there is none."},
				{Name: "manage-port", Label: "Management port", Kind: Text, Default: "10000", Help: "The port of the agents."},
				{Name: "prefer", Label: "Preferred nodes", Kind: Nodes, Choices: o.nodes, Help: "For the addresses, best first."},
				{Name: "nodes", Label: "Nodes", Kind: Nodes, Choices: o.nodes, Help: "That may run HAProxy. Without them, all."},
				{Name: "params", Label: "Parameters", Kind: Parameters, Help: "Of the resource agent ocf:thalassa:haproxy."},
			},
		},
		make: func(m *maker) {
			h := HAProxy{
				Name: m.value("name"), Addresses: m.words("ip"), Topology: m.value("topology"), Order: m.value("order"), Interface: m.value("interface"),
				Manage: m.value("manage-ip"), ManagePort: m.value("manage-port"),
				Prefer: m.nodes("prefer"), Nodes: m.nodes("nodes"), Parameters: m.parameters(),
			}
			if m.HAProxy == nil {
				m.failed = &lb.UnavailableError{What: "this node cannot add HAProxy to the cluster"}
				return
			}
			edits, err := m.HAProxy(m.Configuration, h)
			if invalid, ok := errors.AsType[*lb.InvalidError](err); ok {
				fields := slices.Clone(invalid.Fields)
				for i := range fields {
					if rest, ok := strings.CutPrefix(fields[i].Path, "parameters"); ok {
						fields[i].Path = "params" + rest
					}
				}
				err = &lb.InvalidError{Fields: fields, More: invalid.More}
			}
			m.edits, m.failed = edits, err
		},
	}
}
