package agent

import "thalassa/lb"

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
