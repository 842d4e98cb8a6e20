package agent

import (
	"slices"

	"thalassa/lb"
)

// emptyBackends lists those of some backends that have no member, by key; nil: of all.
// Where HAProxy runs this intent, the members that it has count: those of an earlier run
// stay in use until Consul answers.
func emptyBackends(in lb.Intent, snap lb.Snapshot, now *effective, keys []lb.Name) []lb.EmptyBackend {
	running := map[lb.Name]lb.ResolvedBackend{}
	if now != nil && now.revision == in.Revision {
		for _, p := range now.config.Backends {
			running[p.Key] = p
		}
	}
	var out []lb.EmptyBackend
	for _, b := range in.SortedBackends() {
		if keys != nil && !slices.Contains(keys, b.Key) {
			continue
		}
		p, isRunning := running[b.Key]
		if !isRunning {
			p = lb.Populate(b, snap)
		}
		if e, isEmpty := in.Empty(p, snap); isEmpty {
			out = append(out, e)
		}
	}
	return out
}
