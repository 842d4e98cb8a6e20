package apitest

import (
	"context"
	"log/slog"
	"slices"
	"sync"

	"thalassa/activity"
)

// keeper keeps events in memory.
type keeper struct {
	mu     sync.Mutex
	events []activity.Event
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func (k *keeper) AppendEvents(_ context.Context, events []activity.Event) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.events = append(k.events, events...)
	return nil
}

func (k *keeper) Events(_ context.Context, q activity.Query) ([]activity.Event, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return q.Select(slices.Clone(k.events)), nil
}

func (k *keeper) LastSeq(context.Context) (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.events) == 0 {
		return 0, nil
	}
	return k.events[len(k.events)-1].Seq, nil
}
