package main

import (
	"context"

	"thalassa/drafts"
	"thalassa/nodes"
	"thalassa/store"
)

// clusterDrafts are the drafts of the cluster's configuration, which the agents of all nodes keep.
func (n node) clusterDrafts(ctx context.Context, p parts) (*drafts.Drafts, error) {
	d, err := drafts.New(ctx, drafts.Config{
		Store: store.NewClusterDrafts(p.db), Self: p.roster.Self, Others: p.reachable, Changed: p.watcher.Changed,
		Cluster: p.local.Cluster, Ask: nodes.NewMessages(p.changes.crew).Tell, Now: n.now, Logger: n.log,
	})
	if err == nil {
		p.local.Hears(d.Answer)
	}
	return d, err
}

// reachable are the other nodes that are online, and whose agents have told where they are.
func (p parts) reachable() []string {
	v := p.watcher.View()
	var out []string
	for _, node := range v.Nodes {
		if node.Name != v.Self && node.IsOnline() && len(p.roster.URLs(node.Name)) > 0 {
			out = append(out, node.Name)
		}
	}
	return out
}
