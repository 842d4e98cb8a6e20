package api

import (
	"context"
	"slices"
	"strings"
	"sync"
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

	mu       sync.Mutex
	branches []*statsBranch
}

// A statsBranch publishes the statistics of some objects in a hub of its own.
type statsBranch struct {
	sees         func(id string) bool // "backend/live"
	stat, totals *stream.Topic
}

// branch opens the topics for those who see some objects only. leave ends it.
func (p *statsPublisher) branch(hub *stream.Hub, sees func(id string) bool) (leave func()) {
	b := &statsBranch{sees: sees}
	b.stat = hub.Feed("stat", true, b.filtered(p.statState))
	b.totals = hub.Feed("totals", true, b.filtered(p.totalsState))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.branches = append(p.branches, b)
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.branches = slices.DeleteFunc(p.branches, func(o *statsBranch) bool { return o == b })
	}
}

// has reports whether an object of the statistics belongs to one that is seen: its id is
// "stat/backend/KEY" or longer.
func (b *statsBranch) has(id string) bool {
	parts := strings.SplitN(id, "/", 4)
	return len(parts) > 2 && b.sees(parts[1]+"/"+parts[2])
}

// filtered is a state of what is seen.
func (b *statsBranch) filtered(state stream.State) stream.State {
	return func(keys []string, visit func(at time.Time, piece []stream.Object) bool) {
		state(keys, func(at time.Time, piece []stream.Object) bool {
			return visit(at, slices.DeleteFunc(piece, func(o stream.Object) bool { return !b.has(o.ID) }))
		})
	}
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
	p.mu.Lock()
	branches := slices.Clone(p.branches)
	p.mu.Unlock()
	statWanted, totalsWanted := p.stat.Wanted(), p.totals.Wanted()
	anyStat, anyTotals := statWanted, totalsWanted
	for _, b := range branches {
		anyStat, anyTotals = anyStat || b.stat.Wanted(), anyTotals || b.totals.Wanted()
	}
	news := p.sampler.Changes(anyStat, anyTotals)
	removed := make([]stream.Removed, len(news.Removed))
	for i, r := range news.Removed {
		removed[i] = stream.Removed(r)
	}
	publish := func(t *stream.Topic, wanted bool, changed []stream.Object, removed []stream.Removed) {
		switch {
		case !wanted:
			t.Skip()
		case !news.At.IsZero():
			t.Publish(news.At, changed, removed)
		}
	}
	stat, totals := streamed(news.Changed), streamed(news.Totals)
	publish(p.stat, statWanted, stat, removed)
	publish(p.totals, totalsWanted, totals, removed)
	for _, b := range branches {
		gone := slices.DeleteFunc(slices.Clone(removed), func(r stream.Removed) bool { return !b.has(r.ID) })
		publish(b.stat, b.stat.Wanted(), b.of(stat), gone)
		publish(b.totals, b.totals.Wanted(), b.of(totals), gone)
	}
}

// of are those of some objects that are seen.
func (b *statsBranch) of(objects []stream.Object) []stream.Object {
	return slices.DeleteFunc(slices.Clone(objects), func(o stream.Object) bool { return !b.has(o.ID) })
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
