package api

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"thalassa/activity"
	"thalassa/auth"
	"thalassa/stream"
)

const (
	// maxSights bounds how many different views of the topics there are at the same time.
	maxSights = 64
	// sightBytes bounds what the clients of one of them do not share.
	sightBytes = 4 << 20
)

// beginTimeout is how long a caller waits for the start of the agent.
const beginTimeout = 5 * time.Second

// sightStreams publish the topics for callers who may not see all objects. Callers with the same
// rights share a hub and its frames; those who may see everything share that of Config. A hub
// exists as long as it has websockets.
type sightStreams struct {
	cfg   Config
	agent *Agent
	stats *statsPublisher // nil: there are no statistics

	begun chan struct{} // closed when run begins

	mu     sync.Mutex
	group  *errgroup.Group // runs the publishers; nil: not yet
	parent context.Context //nolint:containedctx // of group
	open   map[string]*sightStream
}

// A sightStream is the hub of one sight.
type sightStream struct {
	hub   *stream.Hub
	users int
	end   func()
}

func newSightStreams(cfg Config, agent *Agent, stats *statsPublisher) *sightStreams {
	return &sightStreams{cfg: cfg, agent: agent, stats: stats, begun: make(chan struct{}), open: map[string]*sightStream{}}
}

// run lets hubs be opened until ctx ends, which is no error. Call it once.
func (s *sightStreams) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	s.mu.Lock()
	s.group, s.parent = group, ctx
	s.mu.Unlock()
	close(s.begun)
	<-ctx.Done()
	s.mu.Lock()
	s.group = nil
	s.mu.Unlock()
	return group.Wait()
}

// join gives the hub of a grant, and what to call when it is not used any more.
func (s *sightStreams) join(grant auth.Grant) (*stream.Hub, func(), error) {
	begin := time.NewTimer(beginTimeout)
	defer begin.Stop()
	select {
	case <-s.begun:
	case <-begin.C: // there is no group
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := grant.Sight()
	one := s.open[key]
	if one == nil {
		if s.group == nil || len(s.open) >= maxSights {
			return nil, nil, unavailableFailure("too many callers with different limits follow the topics, or Thalassa is shutting down")
		}
		var err error
		if one, err = s.begin(grant); err != nil {
			return nil, nil, err
		}
		s.open[key] = one
	}
	one.users++
	return one.hub, func() { s.leave(key, one) }, nil
}

// clients is the number of websockets that have such a hub.
func (s *sightStreams) clients() (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.open {
		n += one.users
	}
	return n
}

func (s *sightStreams) leave(key string, one *sightStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.users--; one.users == 0 {
		one.end()
		delete(s.open, key)
	}
}

// begin opens a hub and starts to publish in it. What is known now is in it when begin
// returns. mu is held.
func (s *sightStreams) begin(grant auth.Grant) (*sightStream, error) {
	ctx, cancel := context.WithCancel(withLimits(s.parent, grant, auth.Read))
	cfg := s.cfg
	cfg.Hub, cfg.Cluster, cfg.Sampler = stream.New(stream.Config{OwnBytes: sightBytes, Now: s.cfg.Now}), nil, nil
	cfg.Activity = sightedLog{s.cfg.Activity, s.cfg.Views.Intent}
	p := newPublisher(cfg, s.agent, func(activity.Event) {})
	one := &sightStream{hub: cfg.Hub, end: cancel}
	if s.stats != nil {
		leave := s.stats.branch(cfg.Hub, grant.Sees)
		one.end = func() { cancel(); leave() }
	}
	if p.canaries != nil {
		p.canaries.sees = sight{grant}.seesBackend
	}
	if p.clusters != nil {
		p.clusters.sees = grant.Sees
	}
	if err := p.publishNow(ctx); err != nil {
		one.end()
		return nil, err
	}
	s.group.Go(func() error {
		if err := p.run(ctx); err != nil {
			s.cfg.Logger.ErrorContext(ctx, "topics of limited callers not published", "error", err)
		}
		return nil
	})
	return one, nil
}
