package pacemaker

import (
	"slices"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// tickets says which tickets a resource lacks.
func (x explainer) tickets(r cluster.Resource) []string {
	var why []string
	for _, e := range x.constraints.Descendants("rsc_ticket") {
		if lack := x.lack(e); lack != "" && x.means(e, r) {
			why = append(why, lack)
		}
	}
	return why
}

// frozen says which missing tickets leave a resource as it is (loss-policy=freeze).
func (x explainer) frozen(r cluster.Resource) []string {
	var why []string
	for _, e := range x.constraints.Descendants("rsc_ticket") {
		if lack := x.lack(e); lack != "" && e.Attr("loss-policy") == "freeze" && x.means(e, r) {
			why = append(why, lack+", and the loss-policy of "+e.Attr("id")+" is freeze")
		}
	}
	return why
}

// lack says what the ticket of a constraint lacks; empty: nothing.
func (x explainer) lack(constraint *cibxml.Element) string {
	id := constraint.Attr("ticket")
	i := slices.IndexFunc(x.v.Tickets, func(t cluster.Ticket) bool { return t.ID == id })
	switch {
	case i < 0 || !x.v.Tickets[i].Granted:
		return "the ticket " + id + " is not granted"
	case x.v.Tickets[i].Standby:
		return "the ticket " + id + " is in standby"
	}
	return ""
}
