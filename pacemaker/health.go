package pacemaker

import (
	"fmt"
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
