package pacemaker

import (
	"fmt"
	"slices"
	"strings"

	"thalassa/cluster"
)

// role returns the role of this node in the cluster.
func role(v cluster.Status) string {
	for _, ip := range v.FloatingIPs {
		if ip.HAProxy && ip.Node == v.Self {
			return "active"
		}
	}
	for _, n := range v.Nodes {
		if n.Name != v.Self {
			continue
		}
		switch {
		case n.State == "standby", n.State == "maintenance":
			return n.State
		case n.State != "online":
			return "offline"
		case runsHAProxy(v, n.Name):
			return "ready"
		}
		return "idle"
	}
	return "offline"
}

// isHAProxy reports whether a resource is a HAProxy.
func isHAProxy(agent, id string) bool {
	return strings.HasSuffix(agent, ":haproxy") || strings.HasSuffix(agent, ":haproxy.service") || id == "haproxy"
}

// runsHAProxy reports whether a HAProxy resource runs on a node.
func runsHAProxy(v cluster.Status, node string) bool {
	for _, r := range v.Resources {
		if !isHAProxy(r.Agent, r.ID) {
			continue
		}
		for _, p := range r.Places {
			if p.Node == node {
				return true
			}
		}
	}
	return false
}

// assess returns the state of the cluster as a whole, and every reason why it is not
// ok.
func assess(v cluster.Status) (state string, reasons []string) {
	state, reasons = cluster.StateOK, []string{}
	worse := func(to, format string, args ...any) {
		if order := cluster.States(); slices.Index(order, to) > slices.Index(order, state) {
			state = to
		}
		reasons = append(reasons, fmt.Sprintf(format, args...))
	}
	if !v.Quorum {
		worse(cluster.StateNoQuorum, "this part of the cluster has no quorum")
	}
	if v.DC == "" {
		worse(cluster.StateErrors, "no DC is elected")
	}
	for _, problem := range addressProblems(v.FloatingIPs) {
		worse(cluster.StateErrors, "%s", problem)
	}
	for _, n := range v.Nodes {
		if n.State == "offline" || n.State == "unclean" || n.State == "pending" {
			worse(cluster.StateErrors, "node %s is %s", n.Name, n.State)
		}
	}
	for _, r := range v.Resources {
		if r.State == "failed" || r.State == "blocked" {
			worse(cluster.StateErrors, "resource %s is %s", r.ID, r.State)
		}
	}
	for _, f := range v.Failures {
		worse(cluster.StateErrors, "%s of %s failed on %s: %s", f.Operation, f.Resource, f.Node, failureReason(f))
	}
	if v.Maintenance {
		worse(cluster.StateMaintenance, "the cluster is in maintenance: Pacemaker does nothing")
	}
	for _, n := range v.Nodes {
		if n.State == "maintenance" {
			worse(cluster.StateMaintenance, "node %s is in maintenance", n.Name)
		}
	}
	if !v.Fencing.Works() {
		worse(cluster.StateNoFencing, "%s", NoFencing(v.Fencing))
	}
	return state, reasons
}

// addressProblems says which floating IPs are not on one node, and which resources hold
// the same one.
func addressProblems(list []cluster.FloatingIP) []string {
	var out []string
	holder := map[string]string{}
	for _, ip := range list {
		switch {
		case len(ip.Nodes) > 1:
			out = append(out, fmt.Sprintf("the floating IP %s is on %s", ip.Address, strings.Join(ip.Nodes, " and ")))
		case ip.Node == "":
			out = append(out, fmt.Sprintf("the floating IP %s is on no node", ip.Address))
		}
		address, _, _ := strings.Cut(ip.Address, "/")
		if other := holder[address]; other != "" && address != "" {
			out = append(out, fmt.Sprintf("the resources %s and %s both hold the address %s", other, ip.Resource, address))
		}
		holder[address] = ip.Resource
	}
	return out
}

// failureReason is the agent's reason for a failure, or the meaning of its exit code.
func failureReason(f cluster.Failure) string {
	switch {
	case f.Reason != "":
		return f.Reason
	case f.Status != "" && f.Status != "complete":
		return f.Status
	}
	return f.Meaning
}

// NoFencing is the warning for a cluster without fencing.
func NoFencing(f cluster.Fencing) string {
	what := "no fencing device"
	if !f.Enabled {
		what = "fencing is disabled (stonith-enabled=false)"
	}
	return what + ": a node that hangs or is isolated keeps the floating IP, and two nodes may have it at once"
}
