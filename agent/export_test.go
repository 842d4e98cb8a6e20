package agent

import (
	"sync/atomic"

	"thalassa/lb"
	"thalassa/template"
)

// Effective makes what a round starts from, and Next what it works out from it,
// for measuring.
func Effective(in lb.Intent, snap lb.Snapshot) *effective {
	e := &effective{revision: in.Revision, snapshot: snap}
	e.config = (*effective)(nil).resolve(in, snap, lb.Process{}, nil)
	return e
}

func (e *effective) Next(in lb.Intent, snap lb.Snapshot) (running, wanted lb.Config) {
	return e.config, e.resolve(in, snap, lb.Process{}, nil)
}

// CountRenders counts what the agent renders from now on. It must not run yet.
func (a *Agent) CountRenders() *atomic.Int64 {
	var count atomic.Int64
	render := a.renderer.render
	a.renderer.render = func(t *template.Template, c lb.Config) (template.Rendered, error) {
		count.Add(1)
		return render(t, c)
	}
	return &count
}
