package agent

import (
	"thalassa/lb"
	"thalassa/plan"
	"thalassa/template"
)

// effective is a configuration that HAProxy runs, and what it was made of. It is
// never changed.
type effective struct {
	config   lb.Config
	template *template.Template // that the running HAProxy's file was made with
	revision uint64             // of the intent
	snapshot lb.Snapshot
}

// resolve finds the members of every backend and gives them slots, those that
// they have now if they can keep them. While the intent stays, only the backends
// of services with another answer cost anything. e may be nil: nothing is known
// of what runs.
func (e *effective) resolve(in lb.Intent, snap lb.Snapshot, p lb.Process) lb.Config {
	if e == nil {
		return plan.Layout(nil, lb.Resolve(in, snap, p))
	}
	if e.revision != in.Revision {
		return plan.Layout(plan.SlotsOf(e.config), lb.Resolve(in, snap, p))
	}
	next := e.config
	next.Backends = make([]lb.Pool, len(e.config.Backends))
	for i, pool := range e.config.Backends {
		if pool.Type == "dynamic" && !e.snapshot.Services[pool.Service].SameAnswer(snap.Services[pool.Service]) {
			pool = plan.LayoutPool(pool.Slots, lb.Populate(pool.Backend, snap))
		}
		next.Backends[i] = pool
	}
	return next
}
