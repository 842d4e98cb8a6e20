package api

import (
	"context"

	"thalassa/cluster"
	"thalassa/stream"
)

// A clusterPublisher publishes the state of the Pacemaker cluster.
type clusterPublisher struct {
	topic *stream.Topic
	view  ClusterView
}

func (p *clusterPublisher) run(ctx context.Context) error {
	return publishNews(ctx, p.view.Changed, p.publish)
}

func (p *clusterPublisher) publish() error {
	switch status := p.view.View(); status.State {
	case "":
	case cluster.StateNone:
		p.topic.Replace(nil)
	default:
		object, err := encoded("cluster", "", identified{"cluster", status})
		if err != nil {
			return err
		}
		p.topic.Replace([]stream.Object{object})
	}
	return nil
}
