package main

import (
	"context"
	"slices"
	"time"

	"thalassa/activity"
	"thalassa/cluster/failover"
)

// ofHAProxy finds in the activity log when HAProxy began to work on this node, according to
// its agent. A log that cannot be read has nothing: what else was recorded explains.
func ofHAProxy(events *activity.Log) func(ctx context.Context, from, to time.Time) []failover.Source {
	return func(ctx context.Context, from, to time.Time) []failover.Source {
		list, err := events.Events(ctx, activity.Query{SinceTime: from, Filter: "haproxy", Limit: activity.MaxLimit})
		if err != nil {
			return nil
		}
		return beginnings(list, to)
	}
}

// beginnings are those events until a time that say that HAProxy began to work, the earliest
// first.
func beginnings(list []activity.Event, to time.Time) []failover.Source {
	verbs := []activity.Verb{activity.HAProxyStarted, activity.HAProxyAdopted, activity.HAProxyRestarted}
	var out []failover.Source
	for _, e := range list {
		if at := time.UnixMilli(e.Time).UTC(); slices.Contains(verbs, e.Verb) && !at.After(to) {
			out = append(out, failover.Source{Kind: "activity", Time: at, Text: string(e.Verb)})
		}
	}
	slices.SortStableFunc(out, func(a, b failover.Source) int { return a.Time.Compare(b.Time) })
	return out
}
