package wizard

import (
	"maps"
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

// fenceDevice makes a fence device.
func fenceDevice(o offers) recipe {
	return recipe{
		Wizard: Wizard{
			Name: "fence-device", Title: "Fence device", Help: "A device that can turn nodes off, so that no resource runs twice.",
			Fields: []Field{
				{Name: "id", Label: "ID", Kind: ID, Required: true, Default: "fence"},
				{Name: "agent", Label: "Fence agent", Kind: Agent, Required: true, Choices: o.fenceAgents, Help: "One that is installed, e.g. stonith:fence_ipmilan."},
				{Name: "nodes", Label: "Nodes", Kind: Nodes, Required: true, Choices: o.nodes, Help: "The nodes that the device can turn off."},
				{Name: "params", Label: "Parameters", Kind: Parameters, Help: "Of the agent, such as the device's address and password."},
				{Name: "interval", Label: "Monitor interval", Kind: Time, Default: "60s"},
				{Name: "enable-fencing", Label: "Enable fencing", Kind: Choice, Choices: []string{"yes", "no"}, Default: "no", Help: "Turn on fencing (stonith-enabled) if the cluster has it off. Otherwise the device is not used."},
			},
		},
		agents: func(v Values) []string { return []string{v["agent"]} },
		make:   makeFenceDevice,
	}
}

func makeFenceDevice(m *maker) {
	id, agent := m.value("id"), m.value("agent")
	if _, err := cluster.ParseAgentName(agent); err != nil || !strings.HasPrefix(agent, "stonith:") {
		m.bad("agent", agent, "stonith:TYPE, as thalassa cluster agents --class stonith lists them")
		return
	}
	nodes, given := m.nodes("nodes"), m.parameters()
	if _, has := given["pcmk_host_list"]; has {
		m.fe.Add(parameterPrefix+"pcmk_host_list", "is what nodes is for", "no value")
	}
	if a, ok := m.Agents[agent]; ok {
		m.checkParameters(a, given, isPacemakers)
	}
	p := part{
		id: id, idField: "id", agent: agent, agentField: "agent", monitor: m.value("interval"),
		params: []parameter{{"pcmk_host_list", strings.Join(nodes, ","), "nodes"}},
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		p.params = append(p.params, parameter{name, given[name], parameterPrefix + name})
	}
	m.primitive(p)
	if m.value("enable-fencing") == "yes" {
		m.enableFencing()
	}
}

// isPacemakers reports whether Pacemaker takes a parameter of a fence device itself, or gives it to
// the agent: the action and the node.
func isPacemakers(name string) bool {
	return strings.HasPrefix(name, "pcmk_") || slices.Contains([]string{"action", "port", "plug", "nodename", "provides", "stonith-timeout"}, name)
}

// enableFencing sets stonith-enabled where it is off. It is on by default.
func (m *maker) enableFencing() {
	for _, e := range config.Elements(m.Configuration, config.Properties) {
		for _, name := range []string{"stonith-enabled", "stonith_enabled"} {
			if cibxml.IsFalse(cibxml.New("crm_config").Add(e).Pair("cluster_property_set", name)) {
				m.patch(config.Properties, e.Attr("id"), map[string]any{"values": map[string]string{name: "true"}})
			}
		}
	}
}
