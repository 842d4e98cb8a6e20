package pacemaker

import (
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/lb"
)

// checkResult reports if the state after an action is not the expected one. The error is an
// *lb.ConflictError.
func checkResult(v cluster.Status, a cluster.Action) error {
	switch a.Kind {
	case cluster.Standby, cluster.Online:
		if a.Ticket != "" {
			return checkTicket(v, a)
		}
		return checkNode(v, a)
	case cluster.Grant, cluster.Revoke, cluster.Activate:
		return checkTicket(v, a)
	case cluster.Move:
		return checkMoved(v, a)
	case cluster.KeepOff:
		return checkBanned(v, a)
	case cluster.Manage, cluster.Unmanage:
		return checkManagement(v, a)
	case cluster.Promote, cluster.Demote:
		return checkPromotion(v, a)
	case cluster.StartMaintenance:
		return checkUnmanaged(v, a)
	case cluster.EndMaintenance:
		return checkManaged(v, a)
	case cluster.Start, cluster.Stop, cluster.Restart:
		return checkRunning(v, a)
	}
	return nil
}

// checkNode reports a node that is not in standby after Standby, or not online after Online.
func checkNode(v cluster.Status, a cluster.Action) error {
	n := v.NodeNamed(a.Node)
	switch {
	case a.Kind == cluster.Standby && n.State == "online", a.Kind == cluster.Online && (n.State == "standby" || n.State == "maintenance"):
		return &lb.ConflictError{ID: "node/" + a.Node, Reason: "the node is " + n.State + " now: somebody else has changed it meanwhile"}
	case a.Kind == cluster.Standby && len(n.Resources) > 0 && n.State == "standby":
		return &lb.ConflictError{ID: "node/" + a.Node, Reason: "resources still running there: " + strings.Join(n.Resources, ", ")}
	}
	return nil
}

// named are the resources that an action means: the one of that name, or those in it.
func named(v cluster.Status, name string) []cluster.Resource {
	return slices.DeleteFunc(slices.Clone(v.Resources), func(r cluster.Resource) bool { return !slices.Contains(names(r), name) })
}

// checkManaged reports what Pacemaker does not manage after the end of a maintenance. The
// end takes back what its beginning has written, and nothing that others have.
func checkManaged(v cluster.Status, a cluster.Action) error {
	const others = "; thalassa cluster maintenance has not set that, and leaves it"
	if a.Node == "" && a.Resource == "" && v.Maintenance {
		return &lb.ConflictError{ID: "cluster", Reason: "the cluster is still in maintenance" + others}
	}
	if a.Node != "" && v.NodeNamed(a.Node).State == "maintenance" {
		return &lb.ConflictError{ID: "node/" + a.Node, Reason: "the node is still in maintenance, by an attribute that ends when it restarts, or by the whole cluster's" + others}
	}
	if a.Resource == "" {
		return nil
	}
	for _, r := range named(v, a.Resource) {
		if !r.Managed {
			return &lb.ConflictError{ID: "resource/" + r.ID, Reason: "Pacemaker still does not manage it" + because(r.Why) + others}
		}
	}
	return nil
}

// checkUnmanaged reports what Pacemaker still manages after the beginning of a maintenance.
func checkUnmanaged(v cluster.Status, a cluster.Action) error {
	if a.Node == "" && a.Resource == "" && !v.Maintenance {
		return &lb.ConflictError{ID: "cluster", Reason: "the cluster is not in maintenance: somebody else has changed it meanwhile"}
	}
	if n := v.NodeNamed(a.Node); a.Node != "" && n.State == "online" {
		return &lb.ConflictError{ID: "node/" + a.Node, Reason: "the node is not in maintenance: somebody else has changed it meanwhile"}
	}
	if a.Resource == "" {
		return nil
	}
	for _, r := range named(v, a.Resource) {
		if r.Managed {
			return &lb.ConflictError{ID: "resource/" + r.ID, Reason: "Pacemaker still manages it: it has a maintenance or is-managed of its own"}
		}
	}
	return nil
}

// checkRunning reports a resource that runs after Stop, or nowhere after Start.
func checkRunning(v cluster.Status, a cluster.Action) error {
	for _, r := range named(v, a.Resource) {
		switch {
		case a.Kind == cluster.Stop && len(r.Places) > 0:
			return &lb.ConflictError{ID: "resource/" + r.ID, Reason: "it still runs on " + strings.Join(r.Nodes(), ", ") + because(r.Why)}
		case r.ID != a.Resource && r.State == "disabled": // a part that has a target-role of its own
		case a.Kind != cluster.Stop && len(r.Places) == 0:
			return &lb.ConflictError{ID: "resource/" + r.ID, Reason: "it runs nowhere" + because(r.Why)}
		}
	}
	return nil
}
