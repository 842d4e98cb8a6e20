package api

import (
	"context"

	"thalassa/api/node"
	"thalassa/internal/wake"
	"thalassa/stream"
)

// A statusPublisher publishes the status of the node.
type statusPublisher struct {
	topic *stream.Topic
	agent *Agent
	due   wake.Poke // the status may have changed
}

func newStatusPublisher(hub *stream.Hub, agent *Agent) *statusPublisher {
	return &statusPublisher{topic: hub.Set("status", false), agent: agent, due: wake.NewPoke()}
}

// poke says that the status may have changed.
func (p *statusPublisher) poke() {
	p.due.Send()
}

func (p *statusPublisher) run(ctx context.Context) error {
	for {
		select {
		case <-p.due:
		case <-ctx.Done():
			return nil
		}
		if err := p.publish(ctx); err != nil {
			return err
		}
		if !wait(ctx, 2*publishPause) {
			return nil
		}
	}
}

// publish publishes the status. One that cannot be read is published after the next poke.
func (p *statusPublisher) publish(ctx context.Context) error {
	status, err := p.agent.Status(ctx)
	if err != nil {
		return nil //nolint:nilerr // it is no fault of the publisher
	}
	object, err := encoded("status", "", identified{"status", node.NewStatus(status)})
	if err != nil {
		return err
	}
	p.topic.Replace([]stream.Object{object})
	return nil
}
