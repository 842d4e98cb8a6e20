package pacemaker

import (
	"context"

	"thalassa/cluster"
)

// ViewPast returns the status of a cluster in a CIB that is not the running cluster's now:
// an earlier one, or another cluster's. The running cluster is asked nothing. Config's
// File and OtherCIB do not matter.
func ViewPast(ctx context.Context, cfg Config, cib *CIB) (cluster.Status, error) {
	var v cluster.Status
	err := withFile(cib.data, func(path string) error {
		t := past(cfg, path)
		m, err := t.monitor(ctx, path)
		if err != nil {
			return err
		}
		next, late := t.planned(ctx, cib, path)
		m.late = late
		v = view(cib, m, next, "")
		return nil
	})
	return v, err
}

// past are the tools on a CIB in a file.
func past(cfg Config, path string) *tools {
	cfg.OtherCIB, cfg.File = nil, path
	return &tools{cfg.withDefaults()}
}
