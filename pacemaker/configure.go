package pacemaker

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"thalassa/cluster/cibxml"
	"thalassa/cluster/config"
)

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
