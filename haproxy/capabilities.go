package haproxy

import (
	"context"
	"slices"
	"strings"
)

// neededCommands are the commands that run-time changes of servers need.
func neededCommands() []string {
	return []string{"set server", "show servers state", "show servers conn"}
}

// probed is what a worker lacks.
type probed struct {
	worker int
	lacks  string
}

// lacks asks each worker once which needed commands, or which level, it does not offer.
// The version does not tell: a distribution may patch HAProxy, and a template may set
// another level. Without an answer it is "": every change is read back anyway.
func (ra *runtimeAPI) lacks(ctx context.Context, worker int) string {
	ra.mu.Lock()
	known := ra.probed
	ra.mu.Unlock()
	if known.worker == worker {
		return known.lacks
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	offer, err := ra.router.client(ctx).Offer(ctx)
	if err != nil {
		return ""
	}
	missing := slices.DeleteFunc(neededCommands(), offer.Has)
	if offer.Level != "admin" {
		missing = append(missing, "level admin")
	}
	lacks := strings.Join(missing, ", ")
	ra.mu.Lock()
	defer ra.mu.Unlock()
	ra.probed = probed{worker, lacks}
	return lacks
}
