package haproxy

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// neededCommands are the commands that run-time changes of servers need.
func neededCommands() []string {
	return []string{"set server", "show servers state", "show servers conn"}
}

// capabilities finds out what a worker does not offer.
type capabilities struct {
	router *router

	mu   sync.Mutex
	last missing // of the worker that was asked last
}

// missing is what a worker lacks.
type missing struct {
	worker int
	lacks  string
}

// lacks asks each worker once which needed commands, or which level, it does not offer.
// The version does not tell: a distribution may patch HAProxy, and a template may set
// another level. Without an answer it is "": every change is read back anyway.
func (cp *capabilities) lacks(ctx context.Context, worker int) string {
	cp.mu.Lock()
	known := cp.last
	cp.mu.Unlock()
	if known.worker == worker {
		return known.lacks
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	offer, err := cp.router.client(ctx).Offer(ctx)
	if err != nil {
		return ""
	}
	names := slices.DeleteFunc(neededCommands(), offer.Has)
	if offer.Level != "admin" {
		names = append(names, "level admin")
	}
	lacks := strings.Join(names, ", ")
	cp.mu.Lock()
	defer cp.mu.Unlock()
	cp.last = missing{worker, lacks}
	return lacks
}
