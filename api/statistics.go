package api

import (
	"context"
	"time"

	"thalassa/stats"
	"thalassa/stream"
)

// followStats tells what the sampler has seen.
func (s *Server) followStats(ctx context.Context) error {
	sampler := s.cfg.Sampler
	workers := sampler.Workers()
	for {
		next := sampler.Ticked()
		if now := sampler.Workers(); now != workers {
			workers = now
			s.pokeStatus()
		}
		s.publishStats(sampler)
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
	}
}

// publishStats publishes what is new. While nobody listens nothing is encoded.
func (s *Server) publishStats(sampler *stats.Sampler) {
	stat, totals := s.topics.stat, s.topics.totals
	statWanted, totalsWanted := stat.Wanted(), totals.Wanted()
	news := sampler.Changes(statWanted, totalsWanted)
	removed := make([]stream.Removed, len(news.Removed))
	for i, r := range news.Removed {
		removed[i] = stream.Removed(r)
	}
	tell := func(t *stream.Topic, wanted bool, changed []stats.Object) {
		switch {
		case !wanted:
			t.Skip()
		case !news.At.IsZero():
			t.Publish(news.At, streamed(changed), removed)
		}
	}
	tell(stat, statWanted, news.Changed)
	tell(totals, totalsWanted, news.Totals)
}

func streamed(objects []stats.Object) []stream.Object {
	out := make([]stream.Object, len(objects))
	for i, o := range objects {
		out[i] = stream.Object(o)
	}
	return out
}

// pieceSize is about how much of a state goes into one frame.
const pieceSize = 128 << 10

// statState tells all statistics.
func (s *Server) statState(keys []string, visit func(at time.Time, piece []stream.Object) bool) {
	s.cfg.Sampler.Objects(keys, pieceSize, func(at time.Time, piece []stats.Object) bool { return visit(at, streamed(piece)) })
}

// totalsState tells all totals.
func (s *Server) totalsState(keys []string, visit func(at time.Time, piece []stream.Object) bool) {
	s.cfg.Sampler.Totals(keys, pieceSize, func(at time.Time, piece []stats.Object) bool { return visit(at, streamed(piece)) })
}
