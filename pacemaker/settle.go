package pacemaker

import (
	"context"
	"errors"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
)

const (
	// settleEvery is the pause between two looks at a cluster that is busy.
	settleEvery = 20 * time.Millisecond
	// settleWithin is how long a final state is waited for unless told otherwise.
	settleWithin = 2 * time.Minute
)

// Settled waits until the cluster has nothing more to do with the configuration
// it has, and gives its state then. Whether it has is what the scheduler says
// about the CIB, not what the DC is at: a change that the DC has not seen yet
// counts as work. When the time is over the error is a *cluster.Error of kind
// ClusterTimedOut, and the state that of the last look.
func (c *Cluster) Settled(ctx context.Context, within time.Duration) (cluster.Status, error) {
	if within <= 0 {
		within = settleWithin
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var last cluster.Status
	var trouble error
	begun := time.Now()
	for {
		// A first view early, and one now and then, for who waits in vain.
		want := last.State == "" || time.Since(begun) > within-within/4
		view, busy, err := c.readState(limited, want)
		switch {
		case ctx.Err() != nil:
			return last, ctx.Err()
		case err == nil && !busy:
			return view, nil
		case err == nil && want:
			last, trouble = view, nil
		case err == nil:
			trouble = nil
		case limited.Err() == nil:
			trouble = err // a daemon may be on its way back
			if cluster.IsKind(err, cluster.KindForbidden) || cluster.IsKind(err, cluster.KindNotInstalled) {
				return last, err
			}
		}
		if wake.Pause(limited, settleEvery) == nil {
			continue
		}
		if ctx.Err() != nil {
			return last, ctx.Err()
		}
		late := &cluster.Error{Tool: "the cluster", Kind: cluster.KindTimedOut, Said: "it is still at work after " + within.String()}
		return last, errors.Join(late, trouble)
	}
}

// readState is the cluster as it is, and whether it is at work; while it is, the view
// is only asked for when it is wanted.
func (c *Cluster) readState(ctx context.Context, want bool) (view cluster.Status, busy bool, err error) {
	cib, err := c.Query(ctx)
	if err != nil {
		return cluster.Status{}, false, err
	}
	var s simulationXML
	if err := withFile(cib.data, func(path string) error {
		s, err = c.simulate(ctx, path)
		return err
	}); err != nil {
		return cluster.Status{}, false, err
	}
	if s.busy() && !want {
		return cluster.Status{}, true, nil
	}
	if view, err = c.View(ctx, cib); err != nil {
		return cluster.Status{}, false, err
	}
	// Without a DC nobody will do what is to be done.
	return view, s.busy() || !view.Settled || view.DC == "", nil
}
