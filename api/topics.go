package api

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/api/node"
	"thalassa/internal/wake"
	"thalassa/live"
	"thalassa/stats"
	"thalassa/stream"
)

const (
	// recentEvents are the state of the topic activity.
	recentEvents = 50
	// viewsRest is the time between two looks at the views when they change all
	// the time.
	viewsRest = 50 * time.Millisecond
	// historyLength is told to clients.
	historyLength = stats.HistoryLength
)

// topics are what the websocket tells of.
type topics struct {
	status, frontends, backends, services, activity *stream.Topic
	stat, totals                                    *stream.Topic // nil: nobody counts
	cluster                                         *stream.Topic // nil: there is none
	// statusDue has one slot: the status may be another one.
	statusDue chan struct{}
}

// openTopics adds the Server's topics to the hub.
func (s *Server) openTopics() {
	h := s.cfg.Hub
	s.hub = h
	s.topics = topics{
		status: h.Set("status", false), frontends: h.Set("frontends", true), backends: h.Set("backends", true),
		services: h.Set("services", false), statusDue: make(chan struct{}, 1),
	}
	if s.cfg.Sampler != nil {
		s.topics.stat = h.Feed("stat", true, s.statState)
		s.topics.totals = h.Feed("totals", true, s.totalsState)
	}
	if s.cfg.Cluster != nil {
		s.topics.cluster = h.Set("cluster", false)
	}
	s.topics.activity = h.Log("activity", recentEvents)
}

// liveConfig is what the websockets are told.
func (s *Server) liveConfig() live.Config {
	cfg := live.Config{
		Hub: s.hub, Version: s.cfg.Version, Label: s.cfg.Label, History: historyLength,
		MaxSubscribers: s.cfg.MaxWebsockets, Logger: s.cfg.Logger,
	}
	if s.cfg.Sampler != nil {
		cfg.Interval = s.cfg.Sampler.Interval()
	}
	return cfg
}

// Follow keeps what the websocket tells up to date until ctx ends, which is no
// error.
func (s *Server) Follow(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.followViews(ctx) })
	g.Go(func() error { return s.followStatus(ctx) })
	g.Go(func() error { return s.followActivity(ctx) })
	if s.cfg.Sampler != nil {
		g.Go(func() error { return s.followStats(ctx) })
	}
	if s.cfg.Cluster != nil {
		g.Go(func() error { return s.followCluster(ctx) })
	}
	g.Go(func() error { return s.live.Run(ctx) })
	return g.Wait()
}

// followViews tells of frontends, backends and services.
func (s *Server) followViews(ctx context.Context) error {
	var known views
	for {
		next := s.cfg.Changed()
		if in, err := s.cfg.Views.Intent(ctx); err == nil { // else it is shown when it can be read again
			if known, err = s.publishViews(known, in, s.cfg.Views.Snapshot()); err != nil {
				return err
			}
		}
		s.pokeStatus()
		if !waitRested(ctx, next) {
			return nil
		}
	}
}

// waitRested waits until there has been some rest and then something new; false: ctx
// has ended.
func waitRested(ctx context.Context, next <-chan struct{}) bool {
	rest := time.NewTimer(viewsRest)
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
		return false
	}
	select {
	case <-next:
	case <-ctx.Done():
		return false
	}
	return true
}

func (s *Server) pokeStatus() {
	select {
	case s.topics.statusDue <- struct{}{}:
	default:
	}
}

// followStatus tells of the status.
func (s *Server) followStatus(ctx context.Context) error {
	for {
		select {
		case <-s.topics.statusDue:
		case <-ctx.Done():
			return nil
		}
		if st, err := s.currentStatus(ctx); err == nil { // else it is shown when it can be told again
			object, err := encoded("status", "", identified{"status", node.NewStatus(st)})
			if err != nil {
				return err
			}
			s.topics.status.Replace([]stream.Object{object})
		}
		rest := time.NewTimer(2 * viewsRest)
		select {
		case <-rest.C:
		case <-ctx.Done():
			rest.Stop()
			return nil
		}
	}
}

// followActivity tells of events.
func (s *Server) followActivity(ctx context.Context) error {
	log := s.cfg.Activity
	query := activity.Query{Limit: recentEvents}
	for {
		newest := log.Last()
		events, err := log.Events(ctx, query)
		if err != nil {
			return wake.UnlessOver(ctx, fmt.Errorf("reading the activity: %w", err))
		}
		objects := make([]stream.Object, 0, len(events))
		for _, e := range events {
			id := strconv.FormatUint(e.Seq, 10)
			object, err := encoded(id, "", identified{id, e})
			if err != nil {
				return err
			}
			objects = append(objects, object)
			s.metrics.count(e)
			newest = max(newest, e.Seq)
		}
		s.topics.activity.Append(objects...)
		if len(objects) > 0 {
			s.pokeStatus()
		}
		query = activity.Query{Since: newest, Limit: activity.MaxLimit}
		if newest == 0 {
			query.Since, query.Last = 0, true
		}
		if err := log.Wait(ctx, newest); err != nil {
			return wake.UnlessOver(ctx, fmt.Errorf("waiting for activity: %w", err))
		}
	}
}
