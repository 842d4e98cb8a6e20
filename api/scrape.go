package api

import (
	"context"
	"time"

	"thalassa/cluster"
	"thalassa/lb"
	"thalassa/stats"
	"thalassa/stream"
)

// A scrape is the state of the node when Prometheus asks.
type scrape struct {
	now      time.Time
	status   lb.Status
	known    bool // status is
	intent   lb.Intent
	services map[lb.Name]lb.Service
	clients  int
	slow     uint64
	dropped  uint64         // lines of the log
	open     int            // connections
	refused  uint64         // connections
	unopened uint64         // websockets that were refused
	sampled  time.Time      // last answer of HAProxy; zero: there was none, or there is no sampler
	orders   Orders         // nil: nothing is ordered
	staples  Staples        // nil: nothing is stapled
	cluster  cluster.Status // its State is empty where this node is in no cluster
	losses   []cluster.Loss // of single nodes
	others   []cluster.Summary
}

// A scraper reads what a scrape shows.
type scraper struct {
	agent   *Agent
	hub     *stream.Hub
	sampler *stats.Sampler   // may be nil
	cluster ClusterView      // may be nil
	losses  ClusterForesight // may be nil
	others  otherHandlers
	orders  Orders  // may be nil
	staples Staples // may be nil
	dropped func() uint64
	now     func() time.Time
	open    func() (open int, refused uint64)
	refused func() uint64 // websockets
	limited func() int    // websockets of callers who do not see everything
}

func newScraper(cfg Config, agent *Agent, refused func() uint64, limited func() int) *scraper {
	return &scraper{open: cfg.OpenConnections, refused: refused, limited: limited, agent: agent, hub: cfg.Hub, sampler: cfg.Sampler, cluster: cfg.Cluster, losses: cfg.ClusterForesight, others: otherHandlers{cfg.Clusters}, orders: cfg.Orders, staples: cfg.Staples, dropped: cfg.LogDropped, now: cfg.Now}
}

func (s *scraper) read(ctx context.Context) scrape {
	m := scrape{now: s.now(), orders: s.orders, staples: s.staples, services: s.agent.Snapshot(ctx).Services, clients: s.hub.Clients() + s.limited(), slow: s.hub.Slow(), dropped: s.dropped()}
	m.open, m.refused = s.open()
	m.unopened = s.refused()
	status, err := s.agent.Status(ctx)
	m.status, m.known = status, err == nil
	if in, err := s.agent.Intent(ctx); err == nil {
		m.intent = in
	}
	if s.sampler != nil {
		m.sampled = s.sampler.Sampled()
	}
	if s.cluster != nil {
		m.cluster = s.cluster.View()
	}
	m.others = s.others.seen(ctx)
	if s.losses != nil {
		for _, loss := range s.losses.Losses().List {
			if len(loss.Nodes) == 1 {
				m.losses = append(m.losses, loss)
			}
		}
	}
	return m
}
