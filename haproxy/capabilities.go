package haproxy

import (
	"context"
	"slices"
	"strings"
)

// neededCommands is what servers are changed with while HAProxy runs.
func neededCommands() []string {
	return []string{"set server", "show servers state", "show servers conn"}
}

// probed is what a worker was found to lack.
type probed struct {
	worker int
	lacks  string
}

// lacks asks a worker, once, what it does not let be done that changes at run time
// need. Nothing is concluded from its version: a distribution may have taken
// something back, and a template may give the socket another level. Without an answer
// it is nothing: every change is read back anyway.
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
