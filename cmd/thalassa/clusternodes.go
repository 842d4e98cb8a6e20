package main

import (
	"context"

	"thalassa/cluster"
	"thalassa/membership"
	"thalassa/nodes"
	"thalassa/pacemaker"
	"thalassa/services"
)

// peersOfCluster are the agents of the other nodes, and what this one does for them.
func (n node) peersOfCluster(ctx context.Context, p parts) (*nodes.Roster, *nodes.Local) {
	roster := nodes.NewRoster(ctx, nodes.RosterConfig{
		Exchange: pacemaker.NewExchange(p.cluster, p.watcher, pacemaker.AboutNodes), File: n.settings.ClusterNodes(), URL: p.port.url(),
		View: p.watcher.View, Changed: p.watcher.Changed, Now: n.now, Logger: n.log,
	})
	return roster, nodes.NewLocal(services.NewNode(services.Socket, services.Config{}), membership.NewRoot(membership.Socket), roster.Self, n.now, n.log)
}

// named is the view with the name of this node, which a cluster that is down does not tell.
func named(w *pacemaker.Watcher, r *nodes.Roster) func() cluster.Status {
	return func() cluster.Status {
		v := w.View()
		if v.Self == "" && v.State == cluster.StateOffline {
			v.Self = r.Self()
		}
		return v
	}
}

// explained is the cluster as the API shows it: it says who has shut it down.
type explained struct {
	*pacemaker.Watcher

	roster   *nodes.Roster
	shutDown func(node string) *cluster.ShutDown
}

// View is that of the watcher.
func (e explained) View() cluster.Status {
	v := named(e.Watcher, e.roster)()
	if v.State != cluster.StateOffline {
		return v
	}
	down := e.shutDown(v.Self)
	if down == nil || down.Time.Before(e.roster.Up()) { // it has run since
		return v
	}
	v.ShutDown, v.Reasons = down, []string{down.Sentence()}
	return v
}
