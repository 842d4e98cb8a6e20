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
	status   *statusPublisher // nil with views
	views    *viewPublisher   // nil: this is a console
	activity *activityPublisher
	stats    *statsPublisher    // nil: there are no statistics
	cluster  *clusterPublisher  // nil: there is no cluster
	canaries *canaryPublisher   // nil: there are no canaries
	clusters *clustersPublisher // nil: no other clusters are shown
}

// newPublisher opens the topics, in the order in which clients are told their names.
// count takes every event of the activity log.
func newPublisher(cfg Config, agent *Agent, count func(activity.Event)) *publisher {
	p := &publisher{}
	statusChanged := func() {}
	if !cfg.Console {
		p.status = newStatusPublisher(cfg.Hub, agent)
		statusChanged = p.status.poke
		p.views = newViewPublisher(cfg, agent, statusChanged)
	}
	if cfg.Sampler != nil {
		p.stats = newStatsPublisher(cfg.Hub, cfg.Sampler, statusChanged)
	}
	if cfg.Cluster != nil {
		p.cluster = newClusterPublisher(cfg.Hub, cfg.Cluster)
	}
	if cfg.Canaries != nil {
		p.canaries = &canaryPublisher{view: cfg.Canaries, topic: cfg.Hub.Set("canaries", true)}
	}
	if cfg.Clusters != nil {
		p.clusters = &clustersPublisher{view: cfg.Clusters, topic: cfg.Hub.Set("clusters", false), sees: func(string) bool { return true }}
	}
	p.activity = &activityPublisher{
		topic: cfg.Hub.Log("activity", recentEvents), log: cfg.Activity, count: count, statusChanged: statusChanged,
	}
	return p
}

// run publishes until ctx ends, which is no error.
func (p *publisher) run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.activity.run(ctx) })
	if p.views != nil {
		g.Go(func() error { return p.views.run(ctx) })
		g.Go(func() error { return p.status.run(ctx) })
	}
	if p.clusters != nil {
		g.Go(func() error { return p.clusters.run(ctx) })
	}
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

// publishNow publishes what is known of status, objects, canaries and other clusters.
func (p *publisher) publishNow(ctx context.Context) error {
	if p.clusters != nil {
		if err := p.clusters.publish(); err != nil {
			return err
		}
	}
	if p.canaries != nil {
		if err := p.canaries.publish(); err != nil {
			return err
		}
	}
	if p.views == nil {
		return nil
	}
	if err := p.status.publish(ctx); err != nil {
		return err
	}
	_, err := p.views.publishNow(ctx, published{})
	return err
}

// publishNews publishes, and again after each change, with publishPause between two times, until ctx
// ends, which is no error. changed closes with the next change.
func publishNews(ctx context.Context, changed func() <-chan struct{}, publish func() error) error {
	for {
		next := changed()
		if err := publish(); err != nil {
			return err
		}
		if !wait(ctx, publishPause) {
			return nil
		}
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
	}
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
