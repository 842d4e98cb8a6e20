package pacemaker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"thalassa/cluster"
	"thalassa/internal/wake"
	"thalassa/lb"
)

// reloadEvery is the pause between two checks for a reload. A check takes 10 to 20 ms
// of CPU time.
const reloadEvery = 20 * time.Millisecond

// monitorsWithin limits the wait for the first monitors after a reload. They begin at
// once.
const monitorsWithin = 10 * time.Second

// reloading is how a Rollout has Pacemaker reload HAProxy: by its parameter "generation".
type reloading struct {
	Rollout
	cluster *Cluster
	where   []string // the nodes on which HAProxy reloads
}

// predict returns the nodes on which Pacemaker would reload HAProxy for a
// generation. After a cleanup, Pacemaker does not know the start of HAProxy any more,
// and can only restart it. That is an error unless it is allowed. It is also an error
// if Pacemaker would do nothing.
func (a reloading) predict(ctx context.Context, cib *CIB, generation string) ([]string, error) {
	var s simulationXML
	err := withFile(cib.data, func(path string) error {
		q := a.setGeneration(generation)
		q.file = path
		if _, err := a.cluster.run(ctx, q); err != nil {
			return fmt.Errorf("simulating: %w", err)
		}
		var err error
		s, err = a.cluster.simulate(ctx, cib, path)
		return err
	})
	if err != nil {
		return nil, err
	}
	var reloads, restarts []string
	for _, op := range s.Transition.Resources {
		switch {
		case base(op.Resource) != a.Resource:
		case strings.HasPrefix(op.Op, "reload"):
			reloads = append(reloads, op.Node)
		case op.Op == "stop", op.Op == "start":
			restarts = append(restarts, op.Node)
		}
	}
	slices.Sort(reloads)
	slices.Sort(restarts)
	if restarts = slices.Compact(restarts); len(restarts) > 0 && !a.Restart {
		return nil, &lb.ConflictError{ID: "resource/" + a.Resource, Reason: fmt.Sprintf(
			"Pacemaker would restart it on %s instead of a reload, as it does after a cleanup while HAProxy runs; "+
				"to avoid that, run thalassa cluster standby and online, node by node; --restart allows it. Nothing has changed",
			strings.Join(restarts, ", "))}
	}
	if len(reloads)+len(restarts) == 0 {
		return nil, &lb.ConflictError{ID: "resource/" + a.Resource, Reason: "Pacemaker would not reload it: it does not run, or is in maintenance. Nothing has changed"}
	}
	return reloads, nil
}

func (a reloading) setGeneration(generation string) call {
	return call{tool: "crm_resource", args: []string{"-r", a.Resource, "-p", "generation", "-v", generation}}
}

// awaitReload waits until HAProxy has reloaded on the nodes, its monitors have run there, and the
// cluster has settled. The generation was set a moment ago, and before are the numbers of the last
// operations before that.
func (a reloading) awaitReload(ctx context.Context, before map[string]int, out *cluster.RolledOut) (cluster.Status, error) {
	c, begun := a.cluster, time.Now()
	limited, cancel := context.WithTimeout(ctx, a.Wait)
	defer cancel()
	reloaded := func(now *CIB) bool {
		calls := operationsOf(now, a.Resource).newestCalls()
		out.Reloaded = slices.DeleteFunc(slices.Clone(a.where), func(n string) bool { return calls[n] <= before[n] })
		return len(out.Reloaded) == len(a.where)
	}
	if err := c.await(limited, reloaded); err != nil {
		return cluster.Status{}, fmt.Errorf("waiting for the reload on %s: %w", strings.Join(a.where, ", "), err)
	}
	out.ReloadMs = time.Since(begun).Milliseconds()
	a.awaitMonitors(limited)
	v, err := c.Settled(ctx, a.Wait)
	out.SettleMs = time.Since(begun).Milliseconds()
	return v, err
}

// awaitMonitors waits for the first monitors after a reload. Without all of them, their results
// so far count.
func (a reloading) awaitMonitors(ctx context.Context) {
	monitored, cancel := context.WithTimeout(ctx, monitorsWithin)
	defer cancel()
	_ = a.cluster.await(monitored, func(now *CIB) bool { return !operationsOf(now, a.Resource).isPending() })
}

// await reads the CIB until a condition holds. If it does not in time, the error is a
// *cluster.Error of kind KindTimedOut.
func (c *Cluster) await(ctx context.Context, is func(*CIB) bool) error {
	for {
		cib, err := c.Query(ctx)
		if err == nil && is(cib) {
			return nil
		}
		if wake.Pause(ctx, reloadEvery) != nil {
			return &cluster.Error{Tool: "the cluster", Kind: cluster.KindTimedOut, Said: "it has not settled"}
		}
	}
}
