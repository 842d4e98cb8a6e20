package config

import (
	"slices"
	"strings"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
)

// NodeOffers are the actions that make sense for a node in its present state. attributes are its
// permanent ones.
func NodeOffers(v cluster.Status, n cluster.Node, attributes map[string]string) []string {
	var out []string
	if n.Type != "guest" { // its host is a resource
		out = append(out, either(n.State == "standby" || cibxml.IsTrue(attributes["standby"]), cluster.Online, cluster.Standby), either(n.State == "maintenance" || cibxml.IsTrue(attributes["maintenance"]), cluster.EndMaintenance, cluster.StartMaintenance))
	}
	out = append(out, cluster.Cleanup, cluster.Refresh)
	if n.Type == "guest" {
		return out
	}
	if v.Fencing.Works() {
		out = append(out, cluster.Fence)
	}
	if slices.Contains([]string{"unclean", "offline"}, n.State) {
		out = append(out, cluster.ClearState)
	}
	switch {
	case n.Type != "" && n.Type != "member": // no agent starts it
	case n.State == "offline":
		out = append(out, cluster.Startup)
	case slices.Contains([]string{"online", "standby", "maintenance"}, n.State):
		out = append(out, cluster.Shutdown)
	}
	return out
}

// ResourceState is what decides which actions a resource is offered.
type ResourceState struct {
	// Resources are the primitives: itself, or those in it.
	Resources []cluster.Resource
	// Meta are the meta attributes that hold for it.
	Meta map[string]string
	// Promotable: it is a promotable clone, or in one.
	Promotable bool
	// Moved: a constraint of a ban or a move by Pacemaker's tools names it.
	Moved bool
}

// ResourceOffers are the actions that make sense for a resource in its present state.
func ResourceOffers(s ResourceState) []string {
	var out []string
	runs, promoted, unpromoted := false, false, false
	for _, r := range s.Resources {
		for _, p := range r.Places {
			runs = true
			promoted = promoted || p.Role == "promoted"
			unpromoted = unpromoted || p.Role == "unpromoted"
		}
	}
	role := strings.ToLower(s.Meta["target-role"])
	wanted := runs // without a target-role
	if role != "" {
		wanted = role != "stopped"
	}
	if wanted {
		out = append(out, cluster.Stop, cluster.Restart)
	} else {
		out = append(out, cluster.Start)
	}
	if s.Promotable && unpromoted {
		out = append(out, cluster.Promote)
	}
	if s.Promotable && promoted {
		out = append(out, cluster.Demote)
	}
	out = append(out, either(cibxml.IsTrue(s.Meta["maintenance"]), cluster.EndMaintenance, cluster.StartMaintenance), either(cibxml.IsFalse(s.Meta["is-managed"]), cluster.Manage, cluster.Unmanage), cluster.Move, cluster.KeepOff)
	if s.Moved {
		out = append(out, cluster.Clear)
	}
	return append(out, cluster.Cleanup, cluster.Refresh)
}

// IsByTool reports whether a location constraint was made by a ban or a move of Pacemaker's tools.
func IsByTool(id string) bool {
	return strings.HasPrefix(id, "cli-ban-") || strings.HasPrefix(id, "cli-prefer-") || strings.HasPrefix(id, "cli-standby-")
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
