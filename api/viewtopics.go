package api

import (
	"context"

	"thalassa/api/node"
	"thalassa/lb"
	"thalassa/stream"
)

// A viewPublisher publishes frontends, backends and services.
type viewPublisher struct {
	agent   *Agent
	changed func() <-chan struct{}
	// statusChanged is called after each look at the agent.
	statusChanged func()

	frontends, backends, services *stream.Topic
}

func newViewPublisher(cfg Config, agent *Agent, statusChanged func()) *viewPublisher {
	h := cfg.Hub
	return &viewPublisher{
		agent: agent, changed: cfg.Changed, statusChanged: statusChanged,
		frontends: h.Set("frontends", true), backends: h.Set("backends", true), services: h.Set("services", false),
	}
}

func (p *viewPublisher) run(ctx context.Context) error {
	var last published
	return publishNews(ctx, p.changed, func() (err error) {
		if last, err = p.publishNow(ctx, last); err == nil {
			p.statusChanged()
		}
		return err
	})
}

// publishNow publishes what has changed since the last publication. What cannot be read is
// published when it can.
func (p *viewPublisher) publishNow(ctx context.Context, last published) (published, error) {
	in, err := p.agent.Intent(ctx)
	if err != nil {
		return last, nil //nolint:nilerr // it is no fault of the publisher
	}
	return p.publish(last, in, p.agent.Snapshot(ctx))
}

// published is an intent and a snapshot, and the backends that were published of them.
type published struct {
	intent   lb.Intent
	snapshot lb.Snapshot
	backends map[lb.Name]stream.Object
}

// publish publishes an intent and a snapshot. Backends of which nothing that matters has
// changed since the last publication are not encoded again.
func (p *viewPublisher) publish(last published, in lb.Intent, snap lb.Snapshot) (published, error) {
	now := published{intent: in, snapshot: snap, backends: make(map[lb.Name]stream.Object, len(in.Backends))}
	first := last.backends == nil
	if first || last.intent.Revision != in.Revision {
		if err := p.publishFrontends(in); err != nil {
			return last, err
		}
	}
	backends := make([]stream.Object, 0, len(in.Backends))
	for _, b := range in.SortedBackends() {
		object, ok := last.backends[b.Key]
		if !ok || last.intent.Revision != in.Revision || !last.snapshot.Overrides.SameFor(b.Key, snap.Overrides) || !last.snapshot.Services[b.Service].SameAnswer(snap.Services[b.Service]) {
			var err error
			if object, err = encoded(b.ID(), string(b.Key), tagged{newBackend(lb.Populate(b, snap), snap), b.ETag()}); err != nil {
				return last, err
			}
		}
		now.backends[b.Key] = object
		backends = append(backends, object)
	}
	p.backends.Replace(backends)
	return now, p.publishServices(in, snap)
}

func (p *viewPublisher) publishFrontends(in lb.Intent) error {
	list := in.SortedFrontends()
	objects := make([]stream.Object, len(list))
	for i, f := range list {
		var err error
		if objects[i], err = encoded(f.ID(), string(f.Key), tagged{node.NewFrontend(f), f.ETag()}); err != nil {
			return err
		}
	}
	p.frontends.Replace(objects)
	return nil
}

func (p *viewPublisher) publishServices(in lb.Intent, snap lb.Snapshot) error {
	list := lb.ServiceStatuses(in, snap)
	objects := make([]stream.Object, len(list))
	for i, service := range list {
		id := "service/" + string(service.Service)
		var err error
		if objects[i], err = encoded(id, "", identified{id, node.NewServiceStatus(service)}); err != nil {
			return err
		}
	}
	p.services.Replace(objects)
	return nil
}
