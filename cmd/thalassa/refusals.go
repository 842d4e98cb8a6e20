package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"thalassa/activity"
)

// refusalPause is the time between two events about refused connections.
const refusalPause = time.Minute

// refusals records refused connections to the API, with at most one event per refusalPause.
type refusals struct {
	now    func() time.Time
	log    *slog.Logger
	events *activity.Log

	mu   sync.Mutex
	next time.Time // no event before
}

// note records why a connection was refused. It never blocks.
func (r *refusals) note(why string) {
	now := r.now()
	r.mu.Lock()
	isDue := !now.Before(r.next)
	if isDue {
		r.next = now.Add(refusalPause)
	}
	r.mu.Unlock()
	if !isDue {
		return
	}
	r.log.WarnContext(context.Background(), "connections to the API refused", "reason", why)
	r.events.Note(activity.Event{Verb: activity.ConnectionsRefused, Object: activity.Object{ID: "agent", Type: "agent"}, Cause: why})
}
