package api

import (
	"context"
	"time"

	"thalassa/stats"
	"thalassa/stream"
)

// pieceSize is the approximate size of a piece of a state, which becomes one frame.
const pieceSize = 128 << 10

// A statsPublisher publishes HAProxy's statistics.
type statsPublisher struct {
	sampler      *stats.Sampler
	stat, totals *stream.Topic
	// workersChanged is called when other processes of HAProxy answer.
	workersChanged func()
}

func newStatsPublisher(hub *stream.Hub, sampler *stats.Sampler, workersChanged func()) *statsPublisher {
	p := &statsPublisher{sampler: sampler, workersChanged: workersChanged}
	p.stat = hub.Feed("stat", true, p.statState)
	p.totals = hub.Feed("totals", true, p.totalsState)
	return p
}

// run publishes after each tick of the sampler.
func (p *statsPublisher) run(ctx context.Context) error {
	workers := p.sampler.Workers()
	for {
		next := p.sampler.Ticked()
		if now := p.sampler.Workers(); now != workers {
			workers = now
			p.workersChanged()
		}
		p.publish()
		select {
		case <-next:
		case <-ctx.Done():
			return nil
		}
	}
}

// publish publishes what has changed. Without subscribers nothing is encoded.
func (p *statsPublisher) publish() {
	statWanted, totalsWanted := p.stat.Wanted(), p.totals.Wanted()
	news := p.sampler.Changes(statWanted, totalsWanted)
	removed := make([]stream.Removed, len(news.Removed))
	for i, r := range news.Removed {
		removed[i] = stream.Removed(r)
	}
	publish := func(t *stream.Topic, wanted bool, changed []stats.Object) {
		switch {
		case !wanted:
			t.Skip()
		case !news.At.IsZero():
			t.Publish(news.At, streamed(changed), removed)
		}
	}
	publish(p.stat, statWanted, news.Changed)
	publish(p.totals, totalsWanted, news.Totals)
}

// statState visits all statistics.
func (p *statsPublisher) statState(keys []string, visit func(at time.Time, piece []stream.Object) bool) {
	p.sampler.Objects(keys, pieceSize, func(at time.Time, piece []stats.Object) bool { return visit(at, streamed(piece)) })
}

// totalsState visits all totals.
func (p *statsPublisher) totalsState(keys []string, visit func(at time.Time, piece []stream.Object) bool) {
	p.sampler.Totals(keys, pieceSize, func(at time.Time, piece []stats.Object) bool { return visit(at, streamed(piece)) })
}

func streamed(objects []stats.Object) []stream.Object {
	out := make([]stream.Object, len(objects))
	for i, o := range objects {
		out[i] = stream.Object(o)
	}
	return out
}
