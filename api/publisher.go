package api

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/stream"
)

// publishPause is the minimum time between two publications of frontends, backends and
// services, or of the cluster.
const publishPause = 50 * time.Millisecond

// A publisher keeps the topics of the websocket up to date.
type publisher struct {
	status   *statusPublisher
	views    *viewPublisher
	activity *activityPublisher
	stats    *statsPublisher   // nil: there are no statistics
	cluster  *clusterPublisher // nil: there is no cluster
	canaries *canaryPublisher  // nil: there are no canaries
}

// newPublisher opens the topics, in the order in which clients are told their names.
// count takes every event of the activity log.
func newPublisher(cfg Config, agent *Agent, count func(activity.Event)) *publisher {
	p := &publisher{}
	p.status = newStatusPublisher(cfg.Hub, agent)
	p.views = newViewPublisher(cfg, agent, p.status.poke)
	if cfg.Sampler != nil {
		p.stats = newStatsPublisher(cfg.Hub, cfg.Sampler, p.status.poke)
	}
	if cfg.Cluster != nil {
		p.cluster = &clusterPublisher{view: cfg.Cluster, topic: cfg.Hub.Set("cluster", false)}
	}
	if cfg.Canaries != nil {
		p.canaries = &canaryPublisher{view: cfg.Canaries, topic: cfg.Hub.Set("canaries", true)}
	}
	p.activity = &activityPublisher{
		topic: cfg.Hub.Log("activity", recentEvents), log: cfg.Activity, count: count, statusChanged: p.status.poke,
	}
	return p
}

// run publishes until ctx ends, which is no error.
func (p *publisher) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.views.run(ctx) })
	g.Go(func() error { return p.status.run(ctx) })
	g.Go(func() error { return p.activity.run(ctx) })
	if p.stats != nil {
		g.Go(func() error { return p.stats.run(ctx) })
	}
	if p.canaries != nil {
		g.Go(func() error { return p.canaries.run(ctx) })
	}
	if p.cluster != nil {
		g.Go(func() error { return p.cluster.run(ctx) })
	}
	return g.Wait()
}

// publishNow publishes what is known of status, objects and canaries.
func (p *publisher) publishNow(ctx context.Context) error {
	if err := p.status.publish(ctx); err != nil {
		return err
	}
	if p.canaries != nil {
		if err := p.canaries.publish(); err != nil {
			return err
		}
	}
	_, err := p.views.publishNow(ctx, published{})
	return err
}

// waitForNews waits for publishPause and then for next; false: ctx has ended.
func waitForNews(ctx context.Context, next <-chan struct{}) bool {
	if !wait(ctx, publishPause) {
		return false
	}
	select {
	case <-next:
	case <-ctx.Done():
		return false
	}
	return true
}

// wait waits for d; false: ctx has ended.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	return true
}

// encoded is an object of a topic.
func encoded(id, key string, v any) (stream.Object, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return stream.Object{}, fmt.Errorf("encoding %s for the websocket: %w", id, err)
	}
	return stream.Object{ID: id, Key: key, JSON: data}, nil
}

// identified is an object with an id before its own fields.
type identified struct {
	id     string
	object any
}

// MarshalJSON joins the two.
func (i identified) MarshalJSON() ([]byte, error) {
	return joinObjects(struct {
		ID string `json:"id"`
	}{i.id}, i.object)
}

// tagged is an object with the entity tag of its definition.
type tagged struct {
	object any
	tag    string
}

// MarshalJSON joins the two.
func (t tagged) MarshalJSON() ([]byte, error) {
	return joinObjects(t.object, struct {
		ETag string `json:"etag"`
	}{t.tag})
}
