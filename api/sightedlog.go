package api

import (
	"context"
	"slices"

	"thalassa/activity"
	"thalassa/lb"
)

// A sightedLog is the activity log, filtered for the caller of the context.
type sightedLog struct {
	Log

	intent func(context.Context) (lb.Intent, error)
}

// Events answers a query. For a caller who does not see everything it reads on until the
// answer is full. What is hidden of an event does not match the filter of the query.
func (l sightedLog) Events(ctx context.Context, q activity.Query) ([]activity.Event, error) {
	s, limited := sightOf(ctx)
	if !limited {
		return l.Log.Events(ctx, q)
	}
	in, err := l.intent(ctx)
	if err != nil {
		return nil, err
	}
	page, rest := q.Page(), q
	rest.Filter, rest.Limit = "", activity.MaxLimit
	for {
		events, err := l.Log.Events(ctx, rest)
		if err != nil {
			return nil, err
		}
		if len(events) == 0 {
			return page.Events(), nil
		}
		if !q.Newest() {
			for _, e := range events {
				if e, seen := s.event(in, e); seen && !page.Add(e) {
					return page.Events(), nil
				}
			}
			rest.Since = events[len(events)-1].Seq
			continue
		}
		for _, e := range slices.Backward(events) {
			if e, seen := s.event(in, e); seen && !page.Add(e) {
				return page.Events(), nil
			}
		}
		if rest.Before = events[0].Seq; rest.Before <= 1 {
			return page.Events(), nil
		}
	}
}
