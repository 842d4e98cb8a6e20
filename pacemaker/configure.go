package pacemaker

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"thalassa/cluster"
	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
	"thalassa/internal/permit"
)

// maxWrites is how often edits are made again because the configuration has changed
// between reading and writing it.
const maxWrites = 10

// Configuration is the configuration in the CIB, with its secrets. It must not be changed.
func (c *CIB) Configuration() *cibxml.Element {
	if configuration := c.root.Child("configuration"); configuration != nil {
		return configuration
	}
	return cibxml.New("configuration")
}

// PlanEdits computes what edits make of the configuration, validates the result with
// Pacemaker, and simulates it. It changes nothing. Errors: those of config.Apply, and
// *cluster.Error.
func (c *Cluster) PlanEdits(ctx context.Context, edits []config.Edit) (config.Outcome, error) {
	_, _, out, err := c.planEdits(ctx, edits)
	return out, err
}

// planEdits gives the CIB before and after the edits, too. to is nil if they change
// nothing.
func (c *Cluster) planEdits(ctx context.Context, edits []config.Edit) (from, to *CIB, out config.Outcome, err error) {
	out = config.Outcome{Changes: []string{}, Warnings: []string{}}
	if from, err = c.Query(ctx); err != nil {
		return from, to, out, err
	}
	out.Epoch = from.Epoch
	to, err = from.next(func(configuration *cibxml.Element) error {
		return config.Apply(configuration, from.Epoch.Configuration(), edits)
	})
	if err != nil {
		return from, to, out, err
	}
	after := cmp.Or(to, from)
	if to != nil {
		warnings, err := c.verify(ctx, from, to)
		if err != nil {
			return from, to, out, err
		}
		out.Warnings = append(out.Warnings, warnings...)
		out.Changes = changedObjects(from.Configuration(), to.Configuration())
	}
	out.Predicted, err = c.predict(ctx, after)
	return from, to, out, err
}

// Configure makes edits with one change of the CIB, and waits until the cluster has settled. The
// outcome has the final status, which is compared with the predicted one: a resource that should
// run by then and does not is an *lb.ConflictError. If somebody else changes the configuration
// meanwhile, the edits are made again, under their conditions. After an error of kind KindTimedOut
// or an *lb.ConflictError about a status, the configuration has been changed; the outcome then has
// the status.
func (c *Cluster) Configure(ctx context.Context, edits []config.Edit, wait time.Duration) (config.Outcome, error) {
	for i := 1; ; i++ {
		from, to, out, err := c.planEdits(ctx, edits)
		if err != nil {
			return out, err
		}
		if err := permit.Check(ctx); err != nil {
			return out, err
		}
		var v cluster.Status
		if to == nil {
			v, err = c.Now(ctx)
		} else {
			p := Plan{from: from, to: to}
			v, err = c.write(context.WithoutCancel(ctx), p, wait, func(v cluster.Status) error { return inService(v, out.Predicted.After) })
		}
		if i < maxWrites && cluster.IsKind(err, cluster.KindStale) {
			continue
		}
		if v.State != "" {
			out.Cluster = &v
		}
		return out, err
	}
}

// changedObjects says what is different, one line for each object or value.
func changedObjects(before, after *cibxml.Element) []string {
	out := []string{}
	for _, k := range config.Kinds() {
		old, now := byIDs(config.Elements(before, k)), byIDs(config.Elements(after, k))
		for _, id := range slices.Sorted(maps.Keys(now)) {
			switch {
			case old[id] == nil:
				out = append(out, "add "+string(k)+"/"+id)
			case !config.Same(k, old[id], now[id]):
				lines := differences(old[id], now[id])
				if len(lines) == 0 {
					lines = []string{"change " + string(k) + "/" + id}
				}
				out = append(out, lines...)
			}
		}
		for _, id := range slices.Sorted(maps.Keys(old)) {
			if now[id] == nil {
				out = append(out, "remove "+string(k)+"/"+id)
			}
		}
	}
	return out
}

func byIDs(list []*cibxml.Element) map[string]*cibxml.Element {
	out := map[string]*cibxml.Element{}
	for _, e := range list {
		out[e.Attr("id")] = e
	}
	return out
}
