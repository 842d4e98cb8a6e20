package main

import (
	"context"
	"time"

	"thalassa/activity"
	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/haproxy"
	"thalassa/ocf"
	"thalassa/pacemaker"
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

// meets checks whether this node fulfils what a plan of the cluster needs.
func (n node) meets(ctx context.Context, needs pacemaker.Needs) error {
	return ocf.CheckHost(ctx, ocf.Config{Logger: n.log}, ocf.Host{
		Parameters: needs.Parameters, Addresses: needs.Addresses, Interface: needs.Interface, Watched: needs.Watched, Elsewhere: needs.Elsewhere,
	})
}

// notedActions carries out actions of the cluster, and records them as events.
type notedActions struct {
	cluster *pacemaker.Cluster
	watcher *pacemaker.Watcher
	events  *activity.Log
}

// Predict returns what an action would do.
func (s *notedActions) Predict(ctx context.Context, a cluster.Action) (cluster.Consequences, error) {
	return s.cluster.Predict(ctx, a)
}

// Do carries an action out. The view is fresh, and the note stored, when it
// returns.
func (s *notedActions) Do(ctx context.Context, a cluster.Action) (cluster.Status, error) {
	v, err := s.cluster.Do(ctx, a)
	s.watcher.Look()
	id := "cluster"
	switch {
	case a.Node != "":
		id = "node/" + a.Node
	case a.Resource != "":
		id = "resource/" + a.Resource
	}
	event := activity.Event{Verb: activity.ClusterChanged, Object: activity.Object{ID: id, Type: "cluster", Key: a.Kind}, Cause: a.Kind, Author: a.Author}
	if err != nil {
		event.Error = err.Error()
	}
	s.events.Record(ctx, event)
	return v, err
}

// freshWithin limits the wait for the view to show a change.
const freshWithin = 5 * time.Second

// Configuration is the configuration in the view, and the version of its CIB.
func (s *notedActions) Configuration() (*cibxml.Element, cluster.Epoch, error) {
	return s.watcher.Configuration()
}

// PlanEdits returns what edits of the configuration would do.
func (s *notedActions) PlanEdits(ctx context.Context, edits []config.Edit) (config.Outcome, error) {
	return s.cluster.PlanEdits(ctx, edits)
}

// Configure changes the configuration. The view is fresh, and the note stored, when it
// returns.
func (s *notedActions) Configure(ctx context.Context, edits []config.Edit, wait time.Duration, author string) (config.Outcome, error) {
	out, err := s.cluster.Configure(ctx, edits, wait)
	if out.Cluster != nil {
		s.look(context.WithoutCancel(ctx), out.Cluster.Epoch)
	}
	if err == nil && len(out.Changes) == 0 {
		return out, nil
	}
	object := activity.Object{ID: "cluster", Type: "cluster", Key: "configure"}
	if len(edits) == 1 {
		object.ID = string(edits[0].Kind) + "/" + edits[0].ID
	}
	event := activity.Event{Verb: activity.ClusterChanged, Object: object, Cause: "configure", Author: author}
	if err != nil {
		event.Error = err.Error()
	}
	s.events.Record(ctx, event)
	return out, err
}

// look waits until the view shows a version of the CIB.
func (s *notedActions) look(ctx context.Context, epoch cluster.Epoch) {
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
