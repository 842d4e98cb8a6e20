package main

import (
	"context"
	"time"

	"thalassa/settings"
	"thalassa/store"
)

// openKeys opens the folder of the stored certificates.
func (n node) openKeys() (*store.Keys, error) {
	secret, err := n.settings.KeySecret()
	if err != nil {
		return nil, err
	}
	keys, err := store.OpenKeys(n.settings.Keys(), secret)
	if err != nil {
		return nil, settings.Error{Err: err}
	}
	return keys, nil
}

// sweepEvery is how often certificates that nothing names any more are removed.
const sweepEvery = 24 * time.Hour

// sweepKeys removes certificates that no object, draft, revision or order names, until ctx
// ends.
func (n node) sweepKeys(ctx context.Context, p parts) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		inUse, err := p.db.KeysInUse(ctx)
		removed := 0
		if err == nil {
			p.issuer.KeysInUse(inUse)
			removed, err = p.keys.Sweep(ctx, inUse, n.now())
		}
		switch {
		case err != nil && ctx.Err() == nil:
			n.log.WarnContext(ctx, "unused certificates not removed", "error", err)
		case removed > 0:
			n.log.InfoContext(ctx, "unused certificates removed", "files", removed)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}
