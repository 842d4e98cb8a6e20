package wizard

import (
	"strings"

	"thalassa/cluster/config"
)

// ticket makes a constraint that lets a resource run only where its site has a ticket.
func ticket(o offers) recipe {
	return recipe{
		Wizard: Wizard{
			Name: "ticket", Title: "Ticket", Help: "A resource runs only while this site has a ticket.",
			Fields: []Field{
				{Name: "ticket", Label: "Ticket", Kind: Text, Required: true, Help: "Its name, as booth knows it."},
				{Name: "rsc", Label: "Resource", Kind: Resource, Required: true, Choices: o.resources},
				{Name: "role", Label: "Role", Kind: Choice, Choices: []string{"Started", "Promoted", "Unpromoted"}, Help: "The role that needs the ticket. Promoted and Unpromoted are of promotable clones."},
				{Name: "loss-policy", Label: "When the ticket is lost", Kind: Choice, Required: true, Default: "stop", Choices: []string{"stop", "demote", "fence", "freeze"}},
				{Name: "id", Label: "ID", Kind: ID, Help: "Of the constraint. Without it, ticket-TICKET-RESOURCE."},
			},
		},
		make: func(m *maker) {
			name, rsc, role, policy := m.value("ticket"), m.value("rsc"), m.value("role"), m.value("loss-policy")
			id := m.value("id")
			if id == "" {
				id = strings.Map(inID, "ticket-"+name+"-"+rsc)
			}
			m.isFree("id", id)
			if strings.ContainsAny(name, " ") {
				m.bad("ticket", name, "a name without spaces")
			}
			d, ok := m.resource("rsc", rsc)
			if ok && !d.Promotable && (role == "Promoted" || role == "Unpromoted") {
				m.fe.Add("role", "is "+role+", and "+rsc+" is not promotable", "Started or no role")
			}
			if ok && !d.Promotable && policy == "demote" {
				m.fe.Add("loss-policy", "is demote, and "+rsc+" is not promotable", "stop, fence or freeze")
			}
			fields := map[string]any{"ticket": name, "rsc": rsc, "loss-policy": policy}
			if role != "" {
				fields["rsc-role"] = role
			}
			m.put(config.Tickets, id, fields)
		},
	}
}

// inID is a character of an id for one of a name.
func inID(r rune) rune {
	if config.IsID("_" + string(r)) {
		return r
	}
	return '_'
}
