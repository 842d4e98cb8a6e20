package pacemaker

import (
	"context"
	"time"

	"thalassa/corosync"
	"thalassa/internal/safefile"
)

// votesWithin is how long corosync may take to say how it counts.
const votesWithin = 3 * time.Second

// VotesIn are how corosync counts a quorum in a cluster. Where it does not answer, as to a user that may not ask it,
// its file says so. known: one of them has. Else each node has one vote, and each of two has quorum
// alone, as pcs and crmsh set clusters up.
func VotesIn(ctx context.Context, c *Cluster) (v corosync.Votes, known bool) {
	if c.isLive() && c.cfg.File == "" {
		limited, cancel := context.WithTimeout(ctx, votesWithin)
		defer cancel()
		if out, err := c.run(limited, call{tool: "corosync-cmapctl", plain: true}); err == nil {
			if v, known = corosync.ParseVotes(string(out)); known {
				return v, true
			}
		}
		if data, err := safefile.Read(c.cfg.Corosync, corosync.MaxBytes); err == nil {
			if conf, err := corosync.Parse(data); err == nil && len(conf.Nodes()) > 0 {
				return conf.Votes(), true
			}
		}
	}
	return corosync.Votes{TwoNode: true}, false
}
