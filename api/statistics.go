package api

import (
	"context"
	"time"

	"thalassa/stats"
	"thalassa/stream"
)

// followStats tells what the sampler has seen.
func (s *Server) followStats(ctx context.Context) error {
	sampler, topic := s.cfg.Sampler, s.topics.stat
	workers := sampler.Workers()
	for {
		next := sampler.Ticked()
		if now := sampler.Workers(); now != workers {
			workers = now
			s.statusMayDiffer()
		}
		s.tellStats(sampler, topic)
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
	}
}

// tellStats publishes what is new. While nobody listens nothing is encoded.
func (s *Server) tellStats(sampler *stats.Sampler, topic *stream.Topic) {
	if !topic.Wanted() {
		sampler.Changes(nil)
		topic.Skip()
		return
	}
	var changed []stream.Object
	at, gone := sampler.Changes(func(o stats.Object) { changed = append(changed, stream.Object(o)) })
	removed := make([]stream.Removed, len(gone))
	for i, r := range gone {
		removed[i] = stream.Removed(r)
	}
	if !at.IsZero() {
		topic.Publish(at, changed, removed)
	}
}

// statState tells all statistics.
func (s *Server) statState(keys []string, visit func(at time.Time, piece []stream.Object) bool) {
	const size = 128 << 10 // of one piece
	s.cfg.Sampler.Objects(keys, size, func(at time.Time, piece []stats.Object) bool {
		objects := make([]stream.Object, len(piece))
		for i, o := range piece {
			objects[i] = stream.Object(o)
		}
		return visit(at, objects)
	})
}
