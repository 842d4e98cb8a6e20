package pacemaker

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"thalassa/cluster"
)

// join reports whether this node is in a cluster. If not, it publishes that.
func (w *Watcher) join(ctx context.Context) bool {
	w.mu.Lock()
	if !w.joined {
		w.joined = w.cluster.cfg.hasTraces()
	}
	joined := w.joined
	w.mu.Unlock()
	if joined {
		return true
	}
	err := w.cluster.traces()
	if err == nil {
		// Only Pacemaker knows whether it runs. If it denies access, it runs.
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

// hasTraces reports whether this node is in a cluster, even if Pacemaker is down.
func (c Config) hasTraces() bool {
	if !c.MayBeNone {
		return true
	}
	_, err := os.Stat(c.Kept)
	return err == nil
}

// hasLeft reports whether nothing on this node says that it is in a cluster: it has left.
func (c Config) hasLeft() bool {
	_, err := os.Stat(c.Corosync)
	return errors.Is(err, fs.ErrNotExist) && !c.hasTraces()
}

// traces returns why this node cannot be in a cluster; nil: it may be in one.
func (t *tools) traces() error {
	if !t.installed() {
		return &cluster.Error{Tool: "Pacemaker", Kind: cluster.KindNotInstalled}
	}
	if _, err := os.Stat(t.cfg.Corosync); errors.Is(err, fs.ErrNotExist) {
		return &cluster.Error{Tool: "corosync", Kind: cluster.KindNotConnected, Said: t.cfg.Corosync + " does not exist"}
	}
	return nil
}
