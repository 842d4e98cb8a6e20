package api

import (
	"context"
	"fmt"
	"strconv"

	"thalassa/activity"
	"thalassa/internal/wake"
	"thalassa/stream"
)

// recentEvents is how many events the topic activity has as its state.
const recentEvents = 50

// An activityPublisher publishes the events of the activity log.
type activityPublisher struct {
	topic *stream.Topic
	log   Log
	// count is called with each event, statusChanged after some were published.
	count         func(activity.Event)
	statusChanged func()
}

func (p *activityPublisher) run(ctx context.Context) error {
	query := activity.Query{Limit: recentEvents}
	for {
		newest := p.log.Last()
		events, err := p.log.Events(ctx, query)
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
			p.count(e)
			newest = max(newest, e.Seq)
		}
		p.topic.Append(objects...)
		if len(objects) > 0 {
			p.statusChanged()
		}
		query = activity.Query{Since: newest, Limit: activity.MaxLimit}
		if newest == 0 {
			query.Since, query.Last = 0, true
		}
		if err := p.log.Wait(ctx, newest); err != nil {
			return wake.UnlessOver(ctx, fmt.Errorf("waiting for activity: %w", err))
		}
	}
}
