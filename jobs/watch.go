package jobs

import (
	"context"
	"slices"
	"time"

	"thalassa/internal/wake"
)

// watchPause is the pause between two looks for jobs whose node is lost.
const watchPause = time.Second

// watch goes on with jobs whose node is lost, and with those that this node has left when it
// stopped, until ctx ends.
func (r *Runner) watch(ctx context.Context) {
	defer r.askers.Wait()
	for wake.Pause(ctx, watchPause) == nil {
		if n, err := r.ledger.pay(ctx); n > 0 && err == nil {
			r.cfg.Logger.InfoContext(ctx, "jobs stored that could not be before", "jobs", n)
		}
		v := r.cfg.View()
		open := r.tasks.elsewhere()
		if v.Self == "" || len(open) == 0 {
			continue
		}
		// Their agents are asked directly: that a node leaves the cluster does not mean that its
		// agent is gone.
		r.watchNodes(ctx, open, v.Self)
		open = slices.DeleteFunc(open, record.isOfNodes)
		if isDown(v) || len(open) == 0 {
			continue
		}
		online := map[string]bool{}
		for _, n := range v.Nodes {
			online[n.Name] = n.IsOnline()
		}
		for _, rec := range r.share.abandoned(open, v.Self, online) {
			if r.tasks.takeOver(rec, v.Self) { //nolint:contextcheck // it has the one that begin has set
				r.cfg.Logger.InfoContext(ctx, "job taken over", "job", rec.ID, "from", rec.Node)
			}
		}
	}
}
