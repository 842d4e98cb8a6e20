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

// A verdict is the state of the cluster as a whole, with the reasons why it is not ok.
type verdict struct {
	state   string
	reasons []string
}

// worse adds a reason. The state becomes to, unless it is worse already.
func (d *verdict) worse(to, format string, args ...any) {
	if order := cluster.States(); slices.Index(order, to) > slices.Index(order, d.state) {
		d.state = to
	}
	d.reasons = append(d.reasons, fmt.Sprintf(format, args...))
}

// assess returns the state of the cluster as a whole, and every reason why it is not ok.
// The cluster is not ok either while Pacemaker has something to do.
func assess(v cluster.Status, next planned) (state string, reasons []string) {
	d := &verdict{cluster.StateOK, []string{}}
	if !v.Quorum {
		d.worse(cluster.StateNoQuorum, "this part of the cluster has no quorum")
	}
	if v.DC == "" {
		d.worse(cluster.StateErrors, "no DC is elected")
	}
	for _, problem := range addressProblems(v.FloatingIPs) {
		d.worse(cluster.StateErrors, "%s", problem)
	}
	for _, n := range v.Nodes {
		if n.State == "offline" || n.State == "unclean" || n.State == "pending" {
			d.worse(cluster.StateErrors, "node %s is %s%s", n.Name, n.State, failedFencings(v.FenceHistory, n.Name))
		}
	}
	d.resources(v)
	for _, f := range v.Failures {
		d.worse(cluster.StateErrors, "%s of %s failed on %s: %s", f.Operation, f.Resource, f.Node, failureReason(f))
	}
	for _, sentence := range next {
		d.worse(cluster.StateChanging, "Pacemaker %s", sentence)
	}
	d.maintenance(v)
	if !v.Fencing.Works() {
		d.worse(cluster.StateNoFencing, "%s", NoFencing(v.Fencing))
	}
	return d.state, d.reasons
}

// resources adds those that do not run although nobody has stopped them.
func (d *verdict) resources(v cluster.Status) {
	for _, r := range v.Resources {
		stopped := r.State == "stopped" && r.Managed && !v.StopAll && !isPart(v, r)
		if r.State == "failed" || r.State == "blocked" || stopped {
			d.worse(cluster.StateErrors, "resource %s is %s%s", r.ID, r.State, after(": ", r.Why))
		}
	}
}

// isPart reports whether a resource is an inner part of a bundle, which stops with it.
func isPart(v cluster.Status, r cluster.Resource) bool {
	return strings.HasPrefix(r.ID, r.In+"-") && r.In != "" && slices.ContainsFunc(v.Resources, func(o cluster.Resource) bool {
		return o.ID != r.ID && o.In == r.In && !strings.HasPrefix(o.ID, r.In+"-") && o.State == "disabled"
	})
}

// maintenance adds what Pacemaker does not manage.
func (d *verdict) maintenance(v cluster.Status) {
	if v.Maintenance {
		d.worse(cluster.StateMaintenance, "the cluster is in maintenance: Pacemaker does nothing")
	}
	if v.StopAll {
		d.worse(cluster.StateMaintenance, "stop-all-resources is set: Pacemaker stops every resource")
	}
	away := map[string]bool{}
	for _, n := range v.Nodes {
		if n.State == "maintenance" {
			away[n.Name] = true
			d.worse(cluster.StateMaintenance, "node %s is in maintenance", n.Name)
		}
	}
	for _, r := range v.Resources {
		elsewhere := func(p cluster.Placement) bool { return !away[p.Node] }
		if !r.Managed && !v.Maintenance && (len(r.Places) == 0 || slices.ContainsFunc(r.Places, elsewhere)) {
			d.worse(cluster.StateMaintenance, "resource %s is not managed by Pacemaker%s", r.ID, after(": ", r.Why))
		}
	}
}

// after joins sentences behind a text; without sentences, it is empty.
func after(text string, list []string) string {
	if len(list) == 0 {
		return ""
	}
	return text + strings.Join(list, "; ")
}

// failedFencings says how often fencing of a node has failed since it last succeeded.
func failedFencings(history []cluster.FenceEvent, node string) string {
	count, reason := 0, ""
	for _, e := range history { // the latest first
		switch {
		case e.Node != node || e.Status == "pending":
			continue
		case e.Status != "failed":
			return fencingText(count, reason)
		}
		count++
		if reason == "" {
			reason = e.Reason
		}
	}
	return fencingText(count, reason)
}

func fencingText(count int, reason string) string {
	switch {
	case count == 0:
		return ""
	case reason == "":
		return fmt.Sprintf(": fencing it failed %d times", count)
	}
	return fmt.Sprintf(": fencing it failed %d times, the last time because %s", count, reason)
}

// addressProblems says which floating IPs are not on one node, and which resources hold
// the same one.
func addressProblems(list []cluster.FloatingIP) []string {
	var out []string
	holder := map[string]string{}
	for _, ip := range list {
		switch {
		case len(ip.Nodes) > 1 && !ip.Shared:
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
	switch {
	case !f.Enabled:
		what = "fencing is disabled (stonith-enabled=false)"
	case len(f.Idle) > 0:
		what = "no fencing device runs (" + strings.Join(f.Idle, ", ") + ")"
	}
	return what + ": a node that hangs or is isolated keeps the floating IP, and two nodes may have it at once"
}
