package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"time"

	"thalassa/internal/memory"
)

// ownShare is the part of a control group's memory that the agent takes at most before
// it collects garbage more often. The rest is for HAProxy, which runs in the same group,
// for its old workers, and for the pages of files.
const ownShare = 2

// limitEvery is how often the limit of the control groups is read: it may change while the
// agent runs (systemctl set-property, docker update).
const limitEvery = 5 * time.Second

// followMemory sets Go's soft limit again when the limit of the control groups changes,
// until ctx ends, which is no error.
func (n node) followMemory(ctx context.Context) error {
	tick := time.NewTicker(limitEvery)
	defer tick.Stop()
	group := n.group
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			group = n.limitMemory(ctx, group)
		}
	}
}

// limitMemory sets Go's soft limit to a share of the memory limit of this process's control groups,
// if that has changed, and returns their limit; 0: none. GOMEMLIMIT, where it is set, stays as it
// is.
func (n node) limitMemory(ctx context.Context, former uint64) (group uint64) {
	if os.Getenv("GOMEMLIMIT") != "" { // may be "off"
		return 0
	}
	group = memory.GroupLimit()
	if group == former {
		return group
	}
	limit := int64(math.MaxInt64) // none
	if group > 0 {
		limit = int64(min(group/ownShare, math.MaxInt64)) //nolint:gosec // bounded
	}
	debug.SetMemoryLimit(limit)
	n.log.InfoContext(ctx, "memory limit set from the control group", "control_group", group, "limit", limit)
	return group
}

// requestMemory returns how much of the memory of this machine or control group the API may use:
// the size of large bodies being read, which need some twenty times as much once decoded, and the
// memory of large answers. A limit of 0 is unknown.
func requestMemory(limit uint64) (bodies, answers int64) {
	const (
		bodyShare, leastBodies, mostBodies     = 64, 4 << 20, 32 << 20
		answerShare, leastAnswers, mostAnswers = 10, 16 << 20, 256 << 20
	)
	if limit == 0 {
		return 0, 0 // the API's own defaults
	}
	return int64(min(max(limit/bodyShare, leastBodies), mostBodies)), //nolint:gosec // bounded
		int64(min(max(limit/answerShare, leastAnswers), mostAnswers)) //nolint:gosec // bounded
}
