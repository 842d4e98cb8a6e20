package api

import (
	"context"

	"thalassa/clusters"
	"thalassa/stream"
)

// A clustersPublisher publishes other clusters at a glance.
type clustersPublisher struct {
	topic *stream.Topic
	view  Clusters
	sees  func(id string) bool // whether the readers of the topic may know a cluster
}

func (p *clustersPublisher) run(ctx context.Context) error {
	return publishNews(ctx, p.view.Changed, p.publish)
}

func (p *clustersPublisher) publish() error {
	objects := []stream.Object{}
	for _, s := range p.view.List() {
		id := clusters.ID(s.Name)
		if !p.sees(id) {
			continue
		}
		object, err := encoded(id, "", identified{id, s})
		if err != nil {
			return err
		}
		objects = append(objects, object)
	}
	p.topic.Replace(objects)
	return nil
}
