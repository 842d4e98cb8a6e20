package pacemaker

import (
	"fmt"
	"slices"
	"strings"

	"thalassa/cluster"
)

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

// A situation is what a verdict needs beside the status.
type situation struct {
	cib      *CIB
	next     planned
	late     bool            // the scheduler has not answered in time: next is not known
	running  bool            // the CIB is that of a running cluster
	withheld map[string]bool // resources that an operator or a ticket keeps from running
}

// assess returns the state of the cluster as a whole, and every reason why it is not ok.
// It is ok if every resource is where Pacemaker's scheduler places it, and the scheduler
// has nothing left to do. What the scheduler is about to repair is a change. What an
// operator or a ticket has stopped is no error.
func assess(v cluster.Status, x situation) (state string, reasons []string) {
	d := &verdict{cluster.StateOK, []string{}}
	d.partition(v, x)
	d.addresses(v, x)
	d.nodes(v)
	d.resources(v, x)
	d.failures(v)
	d.changes(x)
	d.maintenance(v)
	if !v.Fencing.Works() {
		d.worse(cluster.StateNoFencing, "%s", NoFencing(v.Fencing))
	}
	return d.state, d.reasons
}

// partition adds a quorum or a DC that this part of the cluster lacks. Only a running
// cluster has a DC.
func (d *verdict) partition(v cluster.Status, x situation) {
	switch {
	case v.Quorum:
	case x.cib.property("no-quorum-policy") == "ignore":
		d.worse(cluster.StateDegraded, "this part of the cluster has no quorum, and keeps running because of no-quorum-policy=ignore")
	default:
		d.worse(cluster.StateNoQuorum, "this part of the cluster has no quorum")
	}
	if x.running && v.DC == "" {
		d.worse(cluster.StateErrors, "no DC is elected")
	}
}

// nodes adds those that are missing. A remote or guest node whose resource does not run is
// offline for the reason of its resource.
func (d *verdict) nodes(v cluster.Status) {
	for _, n := range v.Nodes {
		switch {
		case n.State == "pending":
			d.worse(cluster.StateChanging, "node %s is pending: it joins the cluster", n.Name)
		case n.State == "unclean", n.State == "offline" && !hasNoConnection(v, n):
			d.worse(cluster.StateErrors, "node %s is %s%s", n.Name, n.State, failedFencings(v.FenceHistory, n.Name))
		}
	}
}

// hasNoConnection reports whether the resource of a remote or guest node does not run.
func hasNoConnection(v cluster.Status, n cluster.Node) bool {
	return n.Type != "member" && slices.ContainsFunc(v.Resources, func(r cluster.Resource) bool {
		return (r.ID == n.Name || r.ID == n.Host) && len(r.Places) == 0
	})
}

// resources adds those that do not run, although nobody has stopped them and Pacemaker is
// not about to start them.
func (d *verdict) resources(v cluster.Status, x situation) {
	for _, r := range v.Resources {
		stopped := r.State == "stopped" && r.Managed && !x.withheld[r.ID] && !x.next.starts(r.ID) && !isPart(v, r)
		switch {
		case r.State == "blocked" && x.withheld[r.ID]:
			d.worse(cluster.StateMaintenance, "resource %s is left as it is%s", r.ID, because(r.Why))
		case r.State == "failed", r.State == "blocked", stopped:
			d.worse(cluster.StateErrors, "resource %s is %s%s", r.ID, r.State, because(r.Why))
		}
	}
}

// isPart reports whether a resource is an inner part of a bundle, which stops with it.
func isPart(v cluster.Status, r cluster.Resource) bool {
	return strings.HasPrefix(r.ID, r.In+"-") && r.In != "" && slices.ContainsFunc(v.Resources, func(o cluster.Resource) bool {
		return o.ID != r.ID && o.In == r.In && !strings.HasPrefix(o.ID, r.In+"-") && o.State == "disabled"
	})
}

// failures adds operations that failed. A result of degraded is none: the service works.
func (d *verdict) failures(v cluster.Status) {
	for _, f := range v.Failures {
		if isDegraded(f.Code) {
			d.worse(cluster.StateDegraded, "resource %s on %s is degraded: %s", f.Resource, f.Node, failureReason(f))
			continue
		}
		d.worse(cluster.StateErrors, "%s of %s failed on %s: %s", f.Operation, f.Resource, f.Node, failureReason(f))
	}
}

// isDegraded reports whether a resource agent's exit code means that the service works, but
// not as it should (OCF_DEGRADED, OCF_DEGRADED_PROMOTED).
func isDegraded(code int) bool { return code == 190 || code == 191 }

// changes adds what Pacemaker is about to do, and what it would do but cannot.
func (d *verdict) changes(x situation) {
	if x.late {
		d.worse(cluster.StateDegraded, "Pacemaker's scheduler did not answer in time: what it is about to do is not known")
	}
	for _, c := range x.next.impossible(x.withheld) {
		d.worse(cluster.StateErrors, "Pacemaker %s", c)
	}
	for _, c := range x.next.possible() {
		d.worse(cluster.StateChanging, "Pacemaker %s", c)
	}
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
		named := r.State == "failed" || r.State == "blocked" // by resources
		if !r.Managed && !named && !v.Maintenance && (len(r.Places) == 0 || slices.ContainsFunc(r.Places, elsewhere)) {
			d.worse(cluster.StateMaintenance, "resource %s is not managed by Pacemaker%s", r.ID, because(r.Why))
		}
	}
}

// addresses adds floating IPs that are not on one node, and resources that hold the same
// one.
func (d *verdict) addresses(v cluster.Status, x situation) {
	holder := map[string]string{}
	for _, ip := range v.FloatingIPs {
		i := slices.IndexFunc(v.Resources, func(r cluster.Resource) bool { return r.ID == ip.Resource })
		if i < 0 {
			continue
		}
		r := v.Resources[i]
		switch {
		case len(ip.Nodes) > 1 && !ip.Shared:
			d.worse(cluster.StateErrors, "the floating IP %s is on %s", addressOf(ip), strings.Join(ip.Nodes, " and "))
		case ip.Node != "" || x.next.starts(r.ID):
		case !x.withheld[r.ID]:
			d.worse(cluster.StateErrors, "the floating IP %s is on no node", addressOf(ip))
		case isOfHAProxy(v, ip):
			d.worse(cluster.StateMaintenance, "the floating IP %s is on no node%s", addressOf(ip), because(r.Why))
		}
		address, _, _ := strings.Cut(ip.Address, "/")
		if other := holder[address]; other != "" && address != "" && !x.withheld[r.ID] {
			d.worse(cluster.StateErrors, "the resources %s and %s both hold the address %s", other, ip.Resource, address)
		}
		if !x.withheld[r.ID] {
			holder[address] = ip.Resource
		}
	}
}

// addressOf names a floating IP, by its resource if the CIB does not name the address.
func addressOf(ip cluster.FloatingIP) string {
	if ip.Address == "" {
		return "of " + ip.Resource
	}
	return ip.Address
}

// isOfHAProxy reports whether a floating IP belongs to a HAProxy that Pacemaker runs.
func isOfHAProxy(v cluster.Status, ip cluster.FloatingIP) bool {
	return ip.HAProxy && slices.ContainsFunc(v.Resources, func(r cluster.Resource) bool { return isHAProxy(r.Agent, r.ID) })
}

// because joins sentences behind a colon; without sentences, it is empty.
func because(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return ": " + strings.Join(list, "; ")
}
