package pacemaker

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"thalassa/cluster"
)

// join finds out whether there may be a cluster to look at, and says that there
// is none if not.
func (w *Watcher) join(ctx context.Context) bool {
	w.mu.Lock()
	if !w.joined {
		w.joined = w.cluster.hasTraces()
	}
	joined := w.joined
	w.mu.Unlock()
	if joined {
		return true
	}
	err := w.cluster.traces()
	if err == nil {
		// Only Pacemaker knows whether it runs; that it forbids the question is an
		// answer, too.
		if _, err = w.cluster.Epoch(ctx); err == nil || cluster.IsKind(err, cluster.KindForbidden) {
			w.mu.Lock()
			w.joined = true
			w.mu.Unlock()
			return true
		}
	}
	if ctx.Err() == nil {
		w.publish(ctx, nil, cluster.Status{}, err)
	}
	return false
}

// hasTraces reports whether this node is in a cluster whether it runs or not.
func (c *Cluster) hasTraces() bool {
	if !c.cfg.MayBeNone {
		return true
	}
	_, err := os.Stat(c.cfg.Kept)
	return err == nil
}

// traces is why there can be no cluster on this node; nil: there may be one.
func (c *Cluster) traces() error {
	if !c.Installed() {
		return &cluster.Error{Tool: "Pacemaker", Kind: cluster.KindNotInstalled}
	}
	if _, err := os.Stat(c.cfg.Corosync); errors.Is(err, fs.ErrNotExist) {
		return &cluster.Error{Tool: "corosync", Kind: cluster.KindNotConnected, Said: "there is no " + c.cfg.Corosync}
	}
	return nil
}
