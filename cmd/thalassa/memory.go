package main

import (
	"context"
	"math"
	"os"
	"runtime/debug"

	"thalassa/internal/memory"
)

// ownShare is the part of a control group's memory that the agent takes at most before
// it collects garbage more often. The rest is for HAProxy, which runs in the same group,
// for its old workers, and for the pages of files.
const ownShare = 2

// limitMemory sets Go's soft limit from the control groups of this process. GOMEMLIMIT,
// where it is set, stays as it is.
func (n node) limitMemory(ctx context.Context) {
	if os.Getenv("GOMEMLIMIT") != "" { // may be "off"
		return
	}
	group := memory.GroupLimit()
	if group == 0 {
		return
	}
	limit := min(group/ownShare, math.MaxInt64)
	debug.SetMemoryLimit(int64(limit)) //nolint:gosec // bounded
	n.log.InfoContext(ctx, "memory limit set from the control group", "control_group", group, "limit", limit)
}

// requestMemory divides what the API may take of the memory of this machine or control
// group: the size of large bodies under way, which take some twenty times as much once
// decoded, and the memory of large answers. 0 is unknown.
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
