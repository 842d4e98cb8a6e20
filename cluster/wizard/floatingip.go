package wizard

import (
	"slices"
	"strings"

	"thalassa/cluster/config"
)

const addressAgent = "ocf:heartbeat:IPaddr2"

// floatingIP makes an address.
func floatingIP(o offers) recipe {
	return recipe{
		Wizard: Wizard{
			Name: "floating-ip", Title: "Floating IP", Help: "An address that is on one node at a time, and moves to another one when that node fails.",
			Fields: []Field{
				{Name: "id", Label: "ID", Kind: ID, Required: true, Default: "vip"},
				{Name: "ip", Label: "Address", Kind: Address, Required: true, Help: "An unused address of the network, e.g. 192.0.2.10/24."},
				{Name: "interface", Label: "Interface", Kind: Text, Help: "Without it, the interface that has the network."},
				{Name: "group", Label: "Group", Kind: Resource, Choices: o.groups, Help: "A group that the address becomes the last member of."},
				{Name: "with", Label: "With", Kind: Resource, Choices: o.resources, Help: "A resource; the address is only where that runs. In place of a group."},
				{Name: "interval", Label: "Monitor interval", Kind: Time, Default: "10s"},
			},
		},
		agents: func(Values) []string { return []string{addressAgent} },
		make: func(m *maker) {
			id := m.value("id")
			m.primitive(m.addressPart(id, "id", m.value("interval")))
			group, with := m.value("group"), m.value("with")
			switch {
			case group != "" && with != "":
				m.fe.Add("with", "is set, as is group", "one of them")
			case group != "":
				m.joinGroup("group", group, id)
			case with != "":
				constraint := id + "-with-" + with
				m.isFree("id", constraint)
				m.resource("with", with)
				m.put(config.Colocations, constraint, map[string]any{"rsc": id, "with-rsc": with, "score": "INFINITY"})
			}
		},
	}
}

// addressPart is the address of the fields ip and interface.
func (m *maker) addressPart(id, idField, monitor string) part {
	link := m.value("interface")
	if link != "" && (len(link) > 15 || strings.ContainsAny(link, "/ ")) {
		m.bad("interface", link, "the name of a network interface, such as eth0")
	}
	ip, bits := m.address("ip", link)
	p := part{
		id: id, idField: idField, agent: addressAgent, agentField: "ip", monitor: monitor,
		params: []parameter{{"ip", ip, "ip"}, {"cidr_netmask", bits, "ip"}, {"nic", link, "interface"}},
	}
	if strings.Contains(ip, ":") {
		// As in pacemaker.Description: the check for a duplicate address takes a second.
		p.params = append(p.params, parameter{"nodad", "true", "ip"})
	}
	return p
}

// joinGroup makes a resource the last member of a group.
func (m *maker) joinGroup(field, group, id string) {
	e := config.Find(m.Configuration, config.Groups, group)
	if e == nil {
		m.bad(field, group, "the id of a group: "+strings.Join(offersOf(m.Configuration, nil).groups, ", "))
		return
	}
	if _, ok := m.resource(field, group); !ok {
		return
	}
	o := config.Read(config.Groups, e)
	m.patch(config.Groups, group, map[string]any{"members": append(slices.Clone(o.Refs["members"]), id)})
}
