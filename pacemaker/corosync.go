package pacemaker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"thalassa/cluster"
	"thalassa/corosync"
	"thalassa/internal/safefile"
)

// corosyncWithin is how long corosync may take to say what it has in effect.
const corosyncWithin = 3 * time.Second

// TotemIn are the timeouts of corosync on this node. Errors: *cluster.Error, of kind KindNotInstalled
// without corosync.
func TotemIn(ctx context.Context, c *Cluster) (corosync.Totem, error) {
	return ofCorosync(ctx, c, corosync.ParseTotem, corosync.Config.Totem)
}

// VotesIn are how corosync counts a quorum in a cluster. known: corosync or its file says so. Else each
// node has one vote, and each of two has quorum alone, as pcs and crmsh set clusters up.
func VotesIn(ctx context.Context, c *Cluster) (v corosync.Votes, known bool) {
	if c.isLive() && c.cfg.File == "" {
		if v, err := ofCorosync(ctx, c, corosync.ParseVotes, corosync.Config.Votes); err == nil {
			return v, true
		}
	}
	return corosync.Votes{TwoNode: true}, false
}

// ofCorosync is what corosync has in effect on this node, or what its file says where it does not answer.
// It answers root alone, unless there is an entry for another user in uidgid.d(corosync.conf(5)), and
// logs two errors for each question of somebody else: then the file counts, and corosync is asked
// where that cannot be read.
func ofCorosync[T any](ctx context.Context, c *Cluster, parse func(cmap string) (T, bool), read func(corosync.Config) T) (T, error) {
	fromFile := func() (found T, err error) {
		data, err := safefile.Read(c.cfg.Corosync, corosync.MaxBytes)
		if err != nil {
			return found, err
		}
		conf, err := corosync.Parse(data)
		if err == nil && len(conf.Nodes()) == 0 {
			err = errors.New("it has no list of nodes")
		}
		if err != nil {
			return found, fmt.Errorf("reading %s: %w", c.cfg.Corosync, err)
		}
		return read(conf), nil
	}
	inEffect := func() (found T, err error) {
		limited, cancel := context.WithTimeout(ctx, corosyncWithin)
		defer cancel()
		out, err := c.run(limited, call{tool: "corosync-cmapctl", plain: true})
		if e, ok := errors.AsType[*cluster.Error](err); ok && e.Kind == cluster.KindFailed {
			e.Kind = cluster.KindNotConnected // corosync-cmapctl has one exit code for every failure
		}
		if err != nil {
			return found, fmt.Errorf("asking corosync: %w", err)
		}
		values, ok := parse(string(out))
		if !ok {
			return found, &cluster.Error{Tool: "corosync-cmapctl", Kind: cluster.KindFailed, Said: "it has no such values"}
		}
		return values, nil
	}
	if c.cfg.AsUser {
		if found, err := fromFile(); err == nil {
			return found, nil
		}
		return inEffect()
	}
	found, err := inEffect()
	if err != nil {
		if instead, fileErr := fromFile(); fileErr == nil {
			return instead, nil
		}
	}
	return found, err
}
