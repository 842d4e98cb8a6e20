package api

import (
	"context"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/stream"
)

// A canaryPublisher publishes the last canary of each backend.
type canaryPublisher struct {
	view  CanaryView
	topic *stream.Topic
	sees  func(backend lb.Name) bool // nil: all
}

func (p *canaryPublisher) run(ctx context.Context) error {
	return publishNews(ctx, p.view.Changed, p.publish)
}

func (p *canaryPublisher) publish() error {
	objects := []stream.Object{}
	for _, s := range p.view.Canaries() {
		if p.sees != nil && !p.sees(s.Backend) {
			continue
		}
		id := "canary/" + string(s.Backend)
		object, err := encoded(id, string(s.Backend), identified{id, node.NewCanary(s)})
		if err != nil {
			return err
		}
		objects = append(objects, object)
	}
	p.topic.Replace(objects)
	return nil
}
