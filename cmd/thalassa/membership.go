package main

import (
	"context"
	"time"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/corosync"
	"thalassa/haproxy"
	"thalassa/jobs"
	"thalassa/nodes"
	"thalassa/ocf"
	"thalassa/pacemaker"
	"thalassa/pacemaker/history"
	"thalassa/store"
)

// cluster returns the cluster of this node and its watcher; both nil: the settings turn it off.
func (n node) cluster() (*pacemaker.Cluster, *pacemaker.Watcher) {
	cfg, wanted := n.settings.Cluster(n.log)
	if !wanted {
		return nil, nil
	}
	cfg.Stream = cibProgram()
	c := pacemaker.New(cfg)
	return c, pacemaker.NewWatcher(c)
}

// past keeps what the cluster goes through; nil: it cannot be kept, which is logged.
func (n node) past(ctx context.Context, jobs func(id string) (cluster.Job, bool), events *activity.Log) *history.Recorder {
	archive, err := history.Open(n.settings.ClusterHistory(), history.Bounds{})
	if err != nil {
		n.log.WarnContext(ctx, "the history of the cluster is not kept", "error", err)
		return nil
	}
	tools, _ := n.settings.Cluster(n.log)
	return history.NewRecorder(history.Past{Archive: archive, Tools: tools, Jobs: jobs, Events: ofHAProxy(events)}, history.Inputs, n.now, n.log)
}

// openImports opens the pasts of clusters that came in files; nil: they cannot be kept, which is logged.
func openImports(ctx context.Context, n node) *history.Imports {
	tools, _ := n.settings.Cluster(n.log)
	imports, err := history.OpenImports(n.settings.ClusterImports(), tools, n.now, history.ImportBounds{})
	if err != nil {
		n.log.WarnContext(ctx, "imported histories of clusters are not kept", "error", err)
		return nil
	}
	return imports
}

// sharer shares what the cluster goes through with the other nodes; nil: no key is configured.
func (n node) sharer(ctx context.Context, p parts) *history.Sharer {
	key, err := n.settings.Sharing().History()
	if err != nil {
		n.log.WarnContext(ctx, "the history of the cluster is not shared", "error", err)
	}
	if key == nil {
		return nil
	}
	return &history.Sharer{
		Recorder: p.past, Exchange: pacemaker.NewExchange(p.cluster, p.watcher, pacemaker.AboutHistory), Key: key, Changed: p.watcher.Changed, Logger: n.log,
	}
}

// openPast opens the past of the cluster, which has what the peers tell of their logs; both may be nil.
func openPast(ctx context.Context, n node, p parts) (past *history.Recorder, peers *history.Peers) {
	if past = n.past(ctx, p.changes.Known, p.events); past == nil {
		return nil, nil
	}
	p.past = past
	past.Past.Nodes = func() (string, []string) { return othersOf(p.watcher.View()) }
	past.Past.Live = func() ([]cluster.OperationResult, time.Time) {
		results, err := p.watcher.Operations()
		if err != nil {
			return nil, time.Time{} // the cluster is not known at present
		}
		return results, n.now()
	}
	past.Past.Secrets = p.watcher.Secrets
	var err error // lines are opened without a key, too: old ones are removed
	if past.Kept, err = history.OpenKeptLines(n.settings.ClusterLogs()); err != nil {
		n.log.WarnContext(ctx, "lines of the logs of other nodes are not kept", "error", err)
		past.Kept = nil
	}
	if peers = newPeers(n, p); peers != nil {
		past.Past.Others = peers.Between
	}
	return past, peers
}

// othersOf are the node that a view is of, and the other members of its cluster.
func othersOf(v cluster.Status) (self string, others []string) {
	others = []string{}
	for _, n := range v.Members() {
		if n.Name != v.Self {
			others = append(others, n.Name)
		}
	}
	return v.Self, others
}

// newPeers returns what exchanges lines of logs with the other nodes; nil: no key is configured, or nothing can be
// kept, which is logged.
func newPeers(n node, p parts) *history.Peers {
	key, err := n.settings.Sharing().History()
	if err != nil || key == nil || p.past.Kept == nil {
		return nil // see sharer and openPast
	}
	return history.NewPeers(history.PeersConfig{
		Past: p.past.Past, Bell: pacemaker.NewExchange(p.cluster, p.watcher, pacemaker.AboutLogs), Key: key, Kept: p.past.Kept,
		View: p.watcher.View, Changed: p.watcher.Changed, Now: n.now, Logger: n.log,
	})
}

// onDisk checks the haproxy.cfg that HAProxy would start or reload with here.
func onDisk(p *haproxy.Process) func(context.Context) error {
	return func(ctx context.Context) error {
		config, err := p.Installed(ctx)
		if err != nil {
			return err
		}
		return p.Check(ctx, config)
	}
}

// meets checks whether this node has what a plan of the cluster needs.
func (n node) meets(ctx context.Context, needs pacemaker.Needs) error {
	return ocf.CheckHost(ctx, ocf.Config{Logger: n.log}, ocf.Host{
		Parameters: needs.Parameters, Addresses: needs.Addresses, Interface: needs.Interface, Watched: needs.Watched, Elsewhere: needs.Elsewhere,
		Manage: needs.Manage, ManagePort: needs.ManagePort,
	})
}

// clusterChanges changes the cluster by jobs, and shows its configuration.
type clusterChanges struct {
	*jobs.Runner

	cluster *pacemaker.Cluster
	watcher *pacemaker.Watcher
	crew    *nodes.Crew
}

// clusterChanges are those of this node.
func (n node) clusterChanges(p parts) *clusterChanges {
	c := &clusterChanges{cluster: p.cluster, watcher: p.watcher}
	votes := func(ctx context.Context) corosync.Votes {
		v, _ := pacemaker.VotesIn(ctx, p.cluster)
		return v
	}
	c.crew = nodes.New(nodes.Config{
		Local: p.local, Roster: p.roster, View: p.watcher.View, Votes: votes, Predict: p.cluster.Predict, Settled: p.cluster.Settled, Now: n.now, Logger: n.log,
	})
	c.Runner = jobs.New(jobs.Config{
		Steps: pacemaker.NewSteps(p.cluster), Exchange: pacemaker.NewExchange(p.cluster, p.watcher, pacemaker.AboutJobs), Store: store.NewJobs(p.db),
		Nodes: c.crew, View: named(p.watcher, p.roster), Changed: p.watcher.Changed, Fresh: c.look, Record: p.events.Record, Now: n.now, Logger: n.log,
	})
	return c
}

// Predict returns what an action would do.
func (s *clusterChanges) Predict(ctx context.Context, a cluster.Action) (cluster.Consequences, error) {
	if a.IsOfNodes() {
		out, _, err := s.crew.Foresee(ctx, a)
		return out, err
	}
	return s.cluster.Predict(ctx, a)
}

// freshWithin limits the wait for the view to show a change.
const freshWithin = 30 * time.Second

// Configuration is the configuration in the view, and the version of its CIB.
func (s *clusterChanges) Configuration() (*cibxml.Element, cluster.Epoch, error) {
	return s.watcher.Configuration()
}

// Refresh waits until Configuration has what the cluster has now.
func (s *clusterChanges) Refresh(ctx context.Context) error {
	epoch, err := s.cluster.Epoch(ctx)
	if err == nil {
		s.look(ctx, epoch)
	}
	return err
}

// PlanEdits returns what edits of the configuration would do.
func (s *clusterChanges) PlanEdits(ctx context.Context, edits []config.Edit) (config.Outcome, error) {
	return s.cluster.PlanEdits(ctx, edits)
}

// look waits until the view shows a version of the CIB.
func (s *clusterChanges) look(ctx context.Context, epoch cluster.Epoch) {
	late, cancel := context.WithTimeout(ctx, freshWithin)
	defer cancel()
	for {
		changed := s.watcher.Changed()
		if s.watcher.View().Epoch.Compare(epoch) >= 0 {
			return
		}
		s.watcher.Look()
		select {
		case <-changed:
		case <-late.Done():
			return
		}
	}
}
