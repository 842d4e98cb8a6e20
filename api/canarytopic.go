package api

import (
	"context"

	"thalassa/api/node"
	"thalassa/stream"
)

// A canaryPublisher publishes the last canary of each backend.
type canaryPublisher struct {
	view  CanaryView
	topic *stream.Topic
}

func (p *canaryPublisher) run(ctx context.Context) error {
	for {
		next := p.view.Changed()
		list := p.view.Canaries()
		objects := make([]stream.Object, len(list))
		for i, s := range list {
			id := "canary/" + string(s.Backend)
			var err error
			if objects[i], err = encoded(id, string(s.Backend), identified{id, node.NewCanary(s)}); err != nil {
				return err
			}
		}
		p.topic.Replace(objects)
		if !waitForNews(ctx, next) {
			return nil
		}
	}
}
