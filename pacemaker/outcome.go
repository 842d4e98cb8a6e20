package pacemaker

import (
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/lb"
)

// checkMoved reports a resource that a move has not left on the node.
func checkMoved(v cluster.Status, a cluster.Action) error {
	if checkReachable(v, a, movable(v, a.Resource)) == nil {
		return nil
	}
	return &lb.ConflictError{ID: "node/" + a.Node, Reason: "the resource moved there and back again: " + leaves}
}

// checkBanned reports a resource that still runs where a ban keeps it off.
func checkBanned(v cluster.Status, a cluster.Action) error {
	for _, r := range named(v, a.Resource) {
		if slices.Contains(r.Nodes(), a.Node) {
			return &lb.ConflictError{ID: "resource/" + r.ID, Reason: "it still runs on " + a.Node + because(r.Why)}
		}
	}
	return nil
}

// checkManagement reports what Pacemaker manages after Unmanage, or does not after Manage.
func checkManagement(v cluster.Status, a cluster.Action) error {
	for _, r := range named(v, a.Resource) {
		switch {
		case a.Kind == cluster.Manage && !r.Managed:
			return &lb.ConflictError{ID: "resource/" + r.ID, Reason: "Pacemaker still does not manage it" + because(r.Why)}
		case a.Kind == cluster.Unmanage && r.Managed:
			return &lb.ConflictError{ID: "resource/" + r.ID, Reason: "Pacemaker still manages it: it has an is-managed of its own"}
		}
	}
	return nil
}

// checkPromotion reports a clone without a promoted instance after Promote, or with one after
// Demote.
func checkPromotion(v cluster.Status, a cluster.Action) error {
	var promoted []string
	var why []string
	for _, r := range named(v, a.Resource) {
		why = append(why, r.Why...)
		for _, p := range r.Places {
			if p.Role == "promoted" {
				promoted = append(promoted, p.Node)
			}
		}
	}
	switch {
	case a.Kind == cluster.Demote && len(promoted) > 0:
		return &lb.ConflictError{ID: "resource/" + a.Resource, Reason: "it is still promoted on " + strings.Join(promoted, ", ")}
	case a.Kind == cluster.Promote && len(promoted) == 0:
		return &lb.ConflictError{ID: "resource/" + a.Resource, Reason: "no instance has been promoted: the resource agent gives no node a promotion score" + because(why)}
	}
	return nil
}

// checkTicket reports a ticket that is not as the action wants it.
func checkTicket(v cluster.Status, a cluster.Action) error {
	var t cluster.Ticket
	if i := slices.IndexFunc(v.Tickets, func(t cluster.Ticket) bool { return t.ID == a.Ticket }); i >= 0 {
		t = v.Tickets[i]
	}
	var problem string
	switch {
	case a.Kind == cluster.Grant && !t.Granted:
		problem = "it is not granted"
	case a.Kind == cluster.Revoke && t.Granted:
		problem = "it is still granted"
	case a.Kind == cluster.Standby && !t.Standby:
		problem = "it is not in standby"
	case a.Kind == cluster.Activate && t.Standby:
		problem = "it is still in standby"
	default:
		return nil
	}
	return &lb.ConflictError{ID: "ticket/" + a.Ticket, Reason: problem + ": somebody else has changed it meanwhile"}
}
