package pacemaker

import (
	"context"
	"errors"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

const (
	// settleEvery and settleSlowly are the shortest and the longest pause between two checks of
	// a busy cluster, see pauseAfter.
	settleEvery, settleSlowly = 20 * time.Millisecond, 250 * time.Millisecond
	// settleAnyway is after how long the scheduler is asked again about a CIB that has not
	// changed, for rules with dates.
	settleAnyway = time.Second
	// settleWithin is the default time limit for the cluster to settle.
	settleWithin = 2 * time.Minute
)

// pauseAfter is the pause after a check that has taken so long. The nodes are at work then:
// half of the time is theirs.
func pauseAfter(took time.Duration) time.Duration { return min(max(took, settleEvery), settleSlowly) }

// Settled waits until the cluster has nothing left to do, and returns its status. The
// scheduler decides that from the CIB, independently of the DC: a change that the DC
// has not seen yet counts as work. When the time is over, the error is a
// *cluster.Error of kind KindTimedOut, and the status is the last one read.
func (c *Cluster) Settled(ctx context.Context, within time.Duration) (cluster.Status, error) {
	if within <= 0 {
		within = settleWithin
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last cluster.Status
	var lastErr error
	begun := time.Now()
	r := stateReader{cluster: c}
	for {
		// Read the status early, and again near the end, for a caller that times out.
		want := last.State == "" || time.Since(begun) > within-within/4
		read := time.Now()
		view, busy, err := r.read(limited, want)
		switch {
		case ctx.Err() != nil:
			return last, ctx.Err()
		case err == nil && !busy:
			return view, nil
		case err == nil && want:
			last, lastErr = view, nil
		case err == nil:
			lastErr = nil
		case limited.Err() == nil:
			lastErr = err // a daemon may be restarting
			if cluster.IsKind(err, cluster.KindForbidden) || cluster.IsKind(err, cluster.KindNotInstalled) {
				return last, err
			}
		}
		if wake.Pause(limited, pauseAfter(time.Since(read))) == nil {
			continue
		}
		if ctx.Err() != nil {
			return last, ctx.Err()
		}
		late := &cluster.Error{Tool: "the cluster", Kind: cluster.KindTimedOut, Said: "it has not settled after " + within.String()}
		return last, errors.Join(late, lastErr)
	}
}

// A stateReader reads the state of a cluster until it is not busy. It asks the scheduler when
// the CIB has changed.
type stateReader struct {
	cluster *Cluster
	busy    cluster.Epoch // of the last CIB about which the scheduler had something to do
	asked   time.Time
}

// read returns the status of the cluster and whether it is busy. If it is, the status is only
// read if wanted.
func (r *stateReader) read(ctx context.Context, want bool) (view cluster.Status, busy bool, err error) {
	c := r.cluster
	cib, err := c.Query(ctx)
	if err != nil {
		return cluster.Status{}, false, err
	}
	if !want && cib.Epoch == r.busy && time.Since(r.asked) < settleAnyway {
		return cluster.Status{}, true, nil
	}
	var s simulationXML
	if err := withFile(cib.data, func(path string) error {
		s, err = c.simulate(ctx, cib, path)
		return err
	}); err != nil {
		return cluster.Status{}, false, err
	}
	if s.busy() {
		r.busy, r.asked = cib.Epoch, time.Now()
	}
	if s.busy() && !want {
		return cluster.Status{}, true, nil
	}
	if view, err = c.View(ctx, cib); err != nil {
		return cluster.Status{}, false, err
	}
	// Without a DC, nothing is done.
	return view, s.busy() || !view.Settled || view.DC == "", nil
}
